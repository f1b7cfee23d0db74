#!/usr/bin/env bash
# Makes action.yml name the released image by its digest, for the commit that a release tags:
#
#   .github/release-action.sh ghcr.io/bakegate/bakegate@sha256:...
#
# With a Dockerfile, every run of the action would build the image again; with a tag, somebody could move it.
set -euo pipefail
image="${1:-}"
if [[ ! "$image" =~ ^[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}$ ]]; then
  printf 'usage: %s REGISTRY/REPOSITORY@sha256:DIGEST, got "%s"\n' "$0" "$image" >&2
  exit 64
fi
file="$(dirname "$0")/../action.yml"
if [ "$(grep -c '^  image: ' "$file")" != 1 ]; then
  echo "$file: want exactly one line that begins with \"  image: \"" >&2
  exit 1
fi
sed -i "s|^  image: .*|  image: docker://$image|" "$file"
grep -n '^  image: ' "$file"
