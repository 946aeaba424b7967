#!/bin/bash
# Lints the API, and compares it with the last release so that no change breaks a client in the field.
#
#   buf_test.sh SOURCE_DIR WORK_DIR                     lint, compare, and prove that both can fail
#   buf_test.sh SOURCE_DIR WORK_DIR --update-baseline   make the API of now the one to compare with
#
# The last release is the newest tag v* that git knows here; where there is none (no release yet, a
# tarball, a shallow clone) it is proto/release/eplb_v1.binpb. A release, or a break that is meant
# while nobody depends on the API, updates that file. Exits with 77 (skipped) where npm cannot
# install buf; the install stays in WORK_DIR.
set -euo pipefail

readonly BUF_VERSION=1.75.0
readonly SOURCE_DIR=$(realpath "$1")
mkdir -p "$2"
readonly WORK_DIR=$(realpath "$2")
readonly MODE=${3:-}
readonly BASELINE=$SOURCE_DIR/proto/release/eplb_v1.binpb
readonly BUF=$WORK_DIR/node_modules/.bin/buf
export BUF_CACHE_DIR=$WORK_DIR/cache

install_buf() {
  if [[ -x "$BUF" && "$("$BUF" --version 2>&1)" == "$BUF_VERSION" ]]; then
    return
  fi
  if ! command -v npm >/dev/null; then
    echo "SKIPPED: npm is not installed, so there is no buf to check the API with"
    exit 77
  fi
  if ! timeout 120 npm install --no-audit --no-fund --no-save --loglevel=error --fetch-retries=1 \
      --prefix "$WORK_DIR" "@bufbuild/buf@$BUF_VERSION" >"$WORK_DIR/npm.log" 2>&1; then
    echo "SKIPPED: npm cannot install @bufbuild/buf $BUF_VERSION (see $WORK_DIR/npm.log)"
    exit 77
  fi
}

# Prints what to compare with: a folder cut from the last release's tag, or the baseline file.
last_release() {
  local tag
  tag=$(git -C "$SOURCE_DIR" tag --list 'v*' --sort=-version:refname 2>/dev/null | sed -n 1p || true)
  if [[ -z "$tag" ]]; then
    echo "$BASELINE"
    return
  fi
  rm -rf "$WORK_DIR/release"
  mkdir -p "$WORK_DIR/release"
  git -C "$SOURCE_DIR" archive "$tag" proto | tar -x -C "$WORK_DIR/release"
  echo "$WORK_DIR/release/proto"
}

# expect_failure NAME RULE FILE EDIT COMMAND...: given a copy of the API with FILE changed by the sed
# script EDIT, when buf's COMMAND checks it, then it fails and names RULE.
expect_failure() {
  local name=$1 rule=$2 file=$3 edit=$4
  shift 4
  local copy=$WORK_DIR/changed/$name
  rm -rf "$copy"
  mkdir -p "$WORK_DIR/changed"
  cp -r "$SOURCE_DIR/proto" "$copy"
  sed -i "$edit" "$copy/$file"
  if cmp -s "$copy/$file" "$SOURCE_DIR/proto/$file"; then
    echo "FAILED: $name: the edit changes nothing in $file; it has to follow the API"
    exit 1
  fi
  local code=0
  (cd "$copy" && "$BUF" "$@" --error-format=json) >"$copy.out" 2>&1 || code=$?
  if [[ "$code" == 0 ]] || ! grep -q "\"$rule\"" "$copy.out"; then
    echo "FAILED: $name: buf $1 does not report $rule but:"
    cat "$copy.out"
    exit 1
  fi
  echo "ok: $name is reported as $rule"
}

install_buf
cd "$SOURCE_DIR/proto"
if [[ "$MODE" == --update-baseline ]]; then
  "$BUF" build --exclude-source-info --output "$BASELINE"
  echo "wrote $BASELINE"
  exit 0
fi

"$BUF" lint
echo "ok: lint"
"$BUF" format --diff --exit-code
echo "ok: format"
against=$(last_release)
"$BUF" breaking --against "$against"
echo "ok: compatible with $against"

readonly NOW=$WORK_DIR/now.binpb
"$BUF" build --exclude-source-info --output "$NOW"
expect_failure no_message_comment COMMENT_MESSAGE eplb/v1/load.proto \
  '/^\/\/ Loads of one layer/d' lint
expect_failure no_field_comment COMMENT_FIELD eplb/v1/topology.proto \
  '/^  \/\/ Server nodes/d' lint
expect_failure removed_field FIELD_NO_DELETE eplb/v1/rebalance.proto \
  '/^  string request_id = /d' breaking --against "$NOW"
expect_failure changed_type FIELD_SAME_TYPE eplb/v1/load.proto \
  's/^  repeated uint64 slot_tokens/  repeated double slot_tokens/' breaking --against "$NOW"
expect_failure removed_rpc RPC_NO_DELETE eplb/v1/eplb_service.proto \
  '/^  rpc ListDeployments/d' breaking --against "$NOW"
