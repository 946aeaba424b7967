#!/usr/bin/env bash
# Builds the image where no registry can be reached, as root: Debian's packages make the base, buildah the rest.
#
#   deploy/image/build.sh [--fresh] [--prebuilt FOLDER] [NAME:TAG]     default localhost/eplb:VERSION
#
#   --fresh             makes the base anew, with the packages that Debian has now, and everything upon it
#   --prebuilt FOLDER   takes the programs from there instead of building them, as build/release/bin on Debian 12
#
# The image stays in buildah's storage under EPLB_IMAGE_STORAGE (default /var/tmp/eplb-image), where the base is kept
# for the next build.
# With a registry, `docker build .` or `podman build .` does the same from the published base.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly BASE=docker.io/library/debian:bookworm-slim
readonly PREBUILT_IMAGE=localhost/eplb-binaries:latest
readonly PROGRAMS=(eplb-server eplbctl eplb-simulator)
readonly STORAGE=${EPLB_IMAGE_STORAGE:-/var/tmp/eplb-image}
VERSION=$(sed -n 's/^project(eplb VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
readonly VERSION
REVISION=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
readonly REVISION

fresh=false prebuilt='' image=localhost/eplb:$VERSION
while [[ $# -gt 0 ]]; do
  case "$1" in
    --fresh) fresh=true ;;
    --prebuilt) prebuilt=${2:?--prebuilt needs a folder}; shift ;;
    -*) echo "$0: $1: no such option" >&2; exit 2 ;;
    *) image=$1 ;;
  esac
  shift
done

for tool in mmdebstrap buildah; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is missing: apt-get install mmdebstrap buildah"; exit 77; }
done
[[ $(id -u) == 0 ]] || { echo "SKIPPED: the image is built by root only"; exit 77; }
if [[ -n "$prebuilt" ]] && ! grep -qx VERSION_CODENAME=bookworm /etc/os-release; then
  echo "SKIPPED: programs that were not built on Debian 12 do not run in the image"
  exit 77
fi

# Neither overlay mounts nor cgroups are needed, so that it works inside a container too.
buildah() { command buildah --root "$STORAGE/layers" --runroot "$STORAGE/run" --storage-driver vfs "$@"; }

make_base() {
  echo "making $BASE from Debian's packages"
  # What the published slim image leaves out is left out here.
  mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/*' \
    bookworm "$STORAGE/base.tar"
  local container
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$STORAGE/base.tar" / >/dev/null
  buildah config --cmd bash "$container"
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -f "$STORAGE/base.tar"
}

# What the build stage would leave, as an image to take it from, and a Dockerfile without that stage.
make_binaries() {
  local stage container
  stage=$(mktemp -d)
  install --strip -D -t "$stage/out/usr/local/bin" "${PROGRAMS[@]/#/$prebuilt/}"
  install -m 644 -D -t "$stage/out/usr/share/doc/eplb" LICENSE
  mkdir "$stage/packages"
  deploy/install_packages.sh print-runtime >"$stage/packages/runtime"
  chmod 755 "$stage"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$stage" / >/dev/null
  buildah commit --quiet --rm "$container" "$PREBUILT_IMAGE" >/dev/null
  rm -rf "$stage"
  sed -e '/^FROM .* AS build$/,/^$/d' -e "s|from=build|from=$PREBUILT_IMAGE|" Dockerfile >"$STORAGE/Dockerfile"
}

mkdir -p "$STORAGE"
exec 9>"$STORAGE/lock"
flock 9 # one build at a time
options=(--layers)
if "$fresh" || ! buildah images --quiet "$BASE" >/dev/null 2>&1; then make_base; fi
if "$fresh"; then options+=(--no-cache); fi
if [[ -n "$prebuilt" ]]; then
  make_binaries
  # Without layers, each of which vfs copies whole: what they would save is a minute of building.
  options=(--file "$STORAGE/Dockerfile")
fi

# HEALTHCHECK is Docker's own: the format of the Open Container Initiative has no room for it.
buildah bud --format docker --isolation chroot --pull-never "${options[@]}" \
  --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" --tag "$image" .
if [[ -n "$prebuilt" ]]; then buildah rmi --force "$PREBUILT_IMAGE" >/dev/null; fi # the stage may still stand on it
buildah rmi --prune >/dev/null 2>&1 || true
echo "built $image in $STORAGE"
