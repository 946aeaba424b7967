#!/usr/bin/env bash
# Opens the report page in a headless browser and checks that its script ran to the end, that nothing threw, and that the
# charts were drawn. Exit 77 (skipped) where no Chromium is installed.
#
#   render_test.sh REPORT_TEST_BINARY WORK_DIR
set -euo pipefail
browser="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
if [ -z "$browser" ]; then echo "skipped: no Chromium (Debian package chromium)"; exit 77; fi
rm -rf "$2" && mkdir -p "$2"
page="$2/report.html"
EPLB_REPORT_PAGE="$page" "$1" --gtest_filter='RenderReport.WritesThePageForTheBrowserTest' >/dev/null
flags=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
       --disable-component-update --disable-sync --user-data-dir="$2/profile" --window-size=1240,1500
       --virtual-time-budget=3000)
timeout 60 "$browser" "${flags[@]}" --dump-dom "file://$page" >"$2/dom.html" 2>"$2/browser.log"
timeout 60 "$browser" "${flags[@]}" --hide-scrollbars --screenshot="$2/report.png" "file://$page" >>"$2/browser.log" 2>&1
fail() { echo "FAILED: $1"; exit 1; }
grep -q 'data-rendered="yes"' "$2/dom.html" || fail "the script did not run to its end"
grep -q '<title>58 layers on 32 GPUs</title>' "$2/dom.html" || fail "no title"
[ "$(grep -o '<polyline' "$2/dom.html" | wc -l)" -eq 4 ] || fail "not one curve for each policy"
[ "$(grep -o '<circle' "$2/dom.html" | wc -l)" -gt 500 ] || fail "no dots"
[ "$(grep -o 'marker-end="url(#tipmark)"' "$2/dom.html" | wc -l)" -eq 9 ] || fail "not one arrow for each pair of nodes with copies"
[ "$(stat -c %s "$2/report.png")" -gt 40000 ] || fail "the picture is empty"
echo "rendered: $2/report.png"
