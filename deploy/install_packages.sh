#!/usr/bin/env bash
# Installs the Debian 12 packages that the project needs, as root or with sudo, and only those that are missing.
#
#   deploy/install_packages.sh build    what it takes to build and run
#   deploy/install_packages.sh test     the above and what the tests use
#   deploy/install_packages.sh print-runtime | print-build   the package names, for the image
set -euo pipefail

runtime=(libgrpc++1.51 libprotobuf32 libspdlog1.10 libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0 ca-certificates)
build=(g++ cmake ninja-build libgrpc++-dev libgrpc-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
       libabsl-dev libspdlog-dev prometheus-cpp-dev libcurl4-openssl-dev nlohmann-json3-dev libcli11-dev zlib1g-dev)
test=(libgtest-dev libgmock-dev libbenchmark-dev python3 clang clang-tidy clang-format curl prometheus procps openssl)
# The deploy tests take packages from npm. Not where it comes from elsewhere, as NodeSource's package, which Debian's npm
# does not go with.
command -v node >/dev/null && command -v npm >/dev/null || test+=(nodejs npm)

case "${1:-}" in
  print-runtime) echo "${runtime[*]}"; exit 0 ;;
  print-build) echo "${build[*]}"; exit 0 ;;
  build) wanted=("${build[@]}") ;;
  test) wanted=("${build[@]}" "${test[@]}") ;;
  *) echo "usage: $0 build|test|print-runtime|print-build" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "$0: run as root, or install sudo; missing: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "installing ${#missing[@]} Debian packages"
"${as_root[@]}" apt-get update -qq
# Debian's prometheus package starts a server when it is installed where services run; the tests start their own.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
