#!/usr/bin/env bash
# Runs all the tests, on a fresh Debian 12 machine too: installs what they need, then builds and tests in release, under
# AddressSanitizer and UndefinedBehaviorSanitizer, and what does not touch gRPC under ThreadSanitizer; clang checks the
# lock annotations. With arguments, only the named stages: release asan tsan clang.
set -euo pipefail
cd "$(dirname "$0")/.."

stages=("$@")
if [ "${#stages[@]}" -eq 0 ]; then stages=(release asan tsan clang); fi
jobs="$(nproc)"

deploy/install_packages.sh test

started=$SECONDS
report() { printf -- '--- %s: %d s\n' "$1" "$((SECONDS - started))"; started=$SECONDS; }

build_and_test() {
  cmake --preset "$1" -DCMAKE_COLOR_DIAGNOSTICS=OFF >/dev/null
  # pipefail keeps the build's failure; a build with nothing to say is none.
  cmake --build --preset "$1" -j "$jobs" | { grep -vE '^\[[0-9]+/[0-9]+\]' || true; }
  report "$1 built"
  ctest --preset "$1" -j "$jobs" --output-on-failure --no-tests=error "${@:2}" | grep -vE '^ +Start |Passed +[0-9.]+ sec'
  # ctest says only that they were skipped.
  grep -ahE '^SKIPPED: ' "build/$1/Testing/Temporary/LastTest.log" | sort | uniq -c | sed -E 's/^ *([0-9]+) /\1 x /' || true
  report "$1 tested"
}

for stage in "${stages[@]}"; do
  case "$stage" in
    release) build_and_test release ;;
    asan) build_and_test asan -LE release_only ;;
    tsan) build_and_test tsan -LE release_only ;;
    clang)
      cmake --preset clang >/dev/null
      cmake --build --preset clang -j "$jobs" | { grep -vE '^\[[0-9]+/[0-9]+\]' || true; }
      report "clang built with -Wthread-safety"
      ;;
    *) echo "$0: unknown stage '$stage': release, asan, tsan or clang" >&2; exit 2 ;;
  esac
done
