#!/usr/bin/env bash
# Whether every C++ source is as clang-format with .clang-format leaves it.
#
#   format_test.sh SOURCE_DIR
#
# Exits with 77 (skipped) where clang-format is missing, or is of another version than Debian 12's, which formats
# otherwise. `find server client tests -name '*.cc' -o -name '*.h' | xargs clang-format -i` repairs.
set -euo pipefail
cd "$1"

readonly VERSION=14
if ! command -v clang-format >/dev/null; then
  echo "SKIPPED: clang-format is not installed"
  exit 77
fi
version="$(clang-format --version)"
if [[ "$version" != *"version $VERSION."* ]]; then
  echo "SKIPPED: $version, not $VERSION"
  exit 77
fi

mapfile -d '' sources < <(find server client tests \( -name '*.cc' -o -name '*.h' \) -print0)
if [[ "${#sources[@]}" -lt 100 ]]; then
  echo "FAILED: only ${#sources[@]} sources under $1"
  exit 1
fi
clang-format --dry-run -Werror "${sources[@]}"
echo "ok: ${#sources[@]} sources"
