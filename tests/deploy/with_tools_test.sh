#!/bin/bash
# with_tools.sh where npm fails, with an npm that is none: every test is skipped and says why, and only the first one tries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

export EPLB_TOOLS=$folder/tools
mkdir "$folder/bin"
printf '#!/bin/sh\necho tried >>%s/tries\nexit 1\n' "$folder" >"$folder/bin/npm"
printf '#!/bin/sh\n' >"$folder/bin/node"
chmod +x "$folder/bin/npm" "$folder/bin/node"

expect_skip() {
  local code=0 output
  output=$(PATH=$folder/bin:$PATH bash "$here/with_tools.sh" echo "was run") || code=$?
  [[ $code == 77 && "$output" == "SKIPPED: npm cannot install"* ]] || fail "exit code $code: $output"
}

expect_skip
expect_skip
[[ $(wc -l <"$folder/tries") == 1 ]] || fail "npm was tried $(wc -l <"$folder/tries") times"

touch -d '11 minutes ago' "$EPLB_TOOLS/failed"
expect_skip
[[ $(wc -l <"$folder/tries") == 2 ]] || fail "a failure is never forgotten"

printf '#!/bin/sh\n' >"$folder/bin/npm"
rm "$EPLB_TOOLS/failed"
[[ $(PATH=$folder/bin:$PATH bash "$here/with_tools.sh" echo "was run") == "was run" ]] || fail "installed, and not run"
