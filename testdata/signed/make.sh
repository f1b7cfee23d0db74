#!/usr/bin/env bash
# Makes layout/ and keys/ again: tiny images, signed by the real cosign 2 and 3 against a real docker-registry. Nothing leaves the machine.
#
#   COSIGN2=/path/to/cosign-2.6.5 COSIGN3=/path/to/cosign-3.1.3 testdata/signed/make.sh
#
# Needs docker-registry (Debian has it), openssl and go. The private keys are made here and thrown away with the folder that holds them,
# so that each run makes another set of keys and signatures; the images stay the same.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
: "${COSIGN2:?the path of cosign 2.6.5}" "${COSIGN3:?the path of cosign 3.1.3}"

# The signatures name the repository, so that its address is part of them. Tests serve the images elsewhere and say so (signed-as).
address=localhost:5999
repository="$address/acme/app"

work="$(mktemp -d)"
registry=
trap '[ -z "$registry" ] || kill "$registry"; rm -rf "$work"' EXIT
go -C "$here/../.." build -o "$work/registry" ./testdata/signed/registry
export HOME="$work" COSIGN_PASSWORD='' # cosign keeps its files where they are thrown away

cat >"$work/registry.yml" <<YAML
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: $work/data
http:
  addr: $address
YAML

docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do
  if (: >"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; then break; fi
  sleep 0.1
done
if [ -z "$(jobs -r)" ]; then
  cat "$work/registry.log" >&2 # it ends at once where somebody else listens there
  exit 1
fi

cd "$work"
"$COSIGN2" generate-key-pair --output-key-prefix ecdsa
"$COSIGN2" generate-key-pair --output-key-prefix stranger
openssl genrsa -out rsa.pem 2048
openssl genpkey -algorithm ed25519 -out ed25519.pem
openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-384 -out p384.pem
for k in rsa ed25519 p384; do "$COSIGN2" import-key-pair --key "$k.pem" --output-key-prefix "$k"; done

"$work/registry" push "$repository" unsigned \
  cosign2-tag cosign2-tag-rsa cosign2-tag-p384 cosign2-tag-ed25519 cosign2-tag-two cosign2-tag-annotated cosign2-tag-elsewhere \
  cosign2-tag-stranger cosign2-bundle cosign2-attested cosign2-sbom-only cosign2-index cosign2-recursive-index \
  cosign3-bundle cosign3-bundle-rsa cosign3-bundle-p384 cosign3-bundle-ed25519 cosign3-bundle-two cosign3-bundle-stranger cosign3-tag cosign3-attested \
  cosign3-sbom-only cosign3-index cosign3-recursive-index both both-tag-stranger both-bundle-stranger >digests

# at TAG is the image by digest: cosign warns of tags.
at() { printf '%s@%s' "$repository" "$(awk -v tag="$1" '$1 == tag { print $2 }' digests)"; }

sign2() { local key="$1" tag="$2"; shift 2; "$COSIGN2" sign --yes --key "$key.key" --tlog-upload=false "$@" "$(at "$tag")"; }
sign3() { local key="$1" tag="$2"; shift 2; "$COSIGN3" sign --yes --key "$key.key" --tlog-upload=false --use-signing-config=false "$@" "$(at "$tag")"; }
attest2() { "$COSIGN2" attest --yes --key ecdsa.key --tlog-upload=false --type "$2" --predicate "$here/predicates/$2.json" "$(at "$1")"; }
attest3() {
  "$COSIGN3" attest --yes --key ecdsa.key --tlog-upload=false --use-signing-config=false --type "$2" --predicate "$here/predicates/$2.json" "$(at "$1")"
}

sign2 ecdsa cosign2-tag
sign2 rsa cosign2-tag-rsa
sign2 p384 cosign2-tag-p384
sign2 ed25519 cosign2-tag-ed25519
sign2 stranger cosign2-tag-two
sign2 ecdsa cosign2-tag-two
sign2 ecdsa cosign2-tag-annotated --annotations commit=0000000000000000000000000000000000000001 --record-creation-timestamp
sign2 ecdsa cosign2-tag-elsewhere --sign-container-identity registry.acme.example/acme/app
sign2 stranger cosign2-tag-stranger
sign2 ecdsa cosign2-bundle --new-bundle-format
sign2 ecdsa cosign2-attested
sign2 ecdsa cosign2-index
sign2 ecdsa cosign2-recursive-index --recursive
for type in slsaprovenance slsaprovenance1 spdxjson cyclonedx; do attest2 cosign2-attested "$type"; done
attest2 cosign2-sbom-only spdxjson

sign3 ecdsa cosign3-bundle
sign3 rsa cosign3-bundle-rsa
sign3 p384 cosign3-bundle-p384
sign3 ed25519 cosign3-bundle-ed25519
sign3 stranger cosign3-bundle-two
sign3 ecdsa cosign3-bundle-two
sign3 stranger cosign3-bundle-stranger
sign3 ecdsa cosign3-tag --new-bundle-format=false
sign3 ecdsa cosign3-attested
sign3 ecdsa cosign3-index
sign3 ecdsa cosign3-recursive-index --recursive
for type in slsaprovenance slsaprovenance1 spdxjson cyclonedx; do attest3 cosign3-attested "$type"; done
attest3 cosign3-sbom-only spdxjson

sign2 ecdsa both
sign3 ecdsa both
sign2 stranger both-tag-stranger
sign3 ecdsa both-tag-stranger
sign2 ecdsa both-bundle-stranger
sign3 stranger both-bundle-stranger

rm -rf "$here/layout" "$here/keys"
mkdir -p "$here/layout" "$here/keys"
"$work/registry" save "$repository" "$here/layout"
cp ./*.pub "$here/keys/"
