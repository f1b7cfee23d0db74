#!/usr/bin/env bash
# Installs bakegate on a GitHub runner. It reads BAKEGATE_VERSION, BAKEGATE_SHA256, BAKEGATE_PATH and writes GITHUB_PATH and GITHUB_OUTPUT.
set -euo pipefail

fail() {
  printf '::error title=bakegate setup::%s\n' "$1"
  exit 1
}

releases="https://github.com/bakegate/bakegate/releases/download"
bin="${RUNNER_TEMP:-/tmp}/bakegate-bin"
mkdir -p "$bin"

# sum FILE prints its SHA-256.
sum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

local_binary() {
  [ -f "$BAKEGATE_PATH" ] || fail "path: there is no file $BAKEGATE_PATH"
  if [ -n "${BAKEGATE_SHA256:-}" ]; then
    local got
    got="$(sum "$BAKEGATE_PATH")"
    [ "$got" = "$BAKEGATE_SHA256" ] || fail "path: $BAKEGATE_PATH has the SHA-256 $got, want $BAKEGATE_SHA256"
  fi
  install -m 0755 "$BAKEGATE_PATH" "$bin/bakegate"
}

platform() {
  local os arch
  case "$(uname -s)" in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no release for $(uname -s)" ;;
  esac
  case "$(uname -m)" in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no release for $(uname -m)" ;;
  esac
  printf '%s_%s' "$os" "$arch"
}

download() {
  [[ "$BAKEGATE_VERSION" =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || fail "version: got \"$BAKEGATE_VERSION\", want a release such as v1.2.3, or give path"
  local dir archive want got
  dir="$(mktemp -d)"
  archive="bakegate_${BAKEGATE_VERSION#v}_$(platform).tar.gz"
  curl --fail --silent --show-error --location --retry 3 --max-time 120 --proto '=https' -o "$dir/$archive" "$releases/$BAKEGATE_VERSION/$archive" ||
    fail "$archive of $BAKEGATE_VERSION can't be downloaded"
  want="${BAKEGATE_SHA256:-}"
  if [ -z "$want" ]; then
    curl --fail --silent --show-error --location --retry 3 --max-time 60 --proto '=https' -o "$dir/checksums.txt" "$releases/$BAKEGATE_VERSION/checksums.txt" ||
      fail "the checksums of $BAKEGATE_VERSION can't be downloaded"
    want="$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$dir/checksums.txt")"
  fi
  got="$(sum "$dir/$archive")"
  [[ "$want" =~ ^[0-9a-f]{64}$ ]] || fail "$archive has no checksum of 64 hexadecimal digits: got \"$want\""
  [ "$got" = "$want" ] || fail "$archive has the SHA-256 $got, want $want"
  attested "$dir/$archive"
  tar -xzf "$dir/$archive" -C "$dir" bakegate
  install -m 0755 "$dir/bakegate" "$bin/bakegate"
  rm -rf "$dir"
}

# attested checks who built the archive, where the runner has GitHub's own tool (hosted runners have).
attested() {
  if ! command -v gh >/dev/null || ! gh attestation --help >/dev/null 2>&1; then
    echo "The attestation was not looked at: there is no gh here that can. The checksum is right."
    return
  fi
  gh attestation verify "$1" --repo bakegate/bakegate >/dev/null || fail "$(basename "$1") has no attestation of bakegate/bakegate's release workflow"
}

if [ -n "${BAKEGATE_PATH:-}" ]; then local_binary; else download; fi
version="$("$bin/bakegate" version)" || fail "$bin/bakegate does not run here"
echo "$bin" >>"$GITHUB_PATH"
printf 'path=%s\nversion=%s\n' "$bin/bakegate" "${version%%$'\n'*}" >>"$GITHUB_OUTPUT"
printf '%s in %s\n' "$version" "$bin"
