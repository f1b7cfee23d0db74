#!/bin/sh
# Your rollback: rollback.sh [IMAGE]. IMAGE is what was last good, where bakegate's ledger knows it.
set -eu
if [ -n "${1:-}" ]; then
  kubectl set image deployment/checkout checkout="$1"
else
  kubectl rollout undo deployment/checkout
fi
kubectl rollout status deployment/checkout --timeout=5m
