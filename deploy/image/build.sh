#!/usr/bin/env bash
# Builds the image where no registry can be reached, as root: Debian's packages make the base, buildah the rest.
#
#   deploy/image/build.sh [NAME:TAG]     default localhost/eplb:VERSION
#
# The image stays in buildah's storage under EPLB_IMAGE_STORAGE (default /var/tmp/eplb-image), where the base is kept
# for the next build.
# With a registry, `docker build .` or `podman build .` does the same from the published base.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly BASE=docker.io/library/debian:bookworm-slim
readonly STORAGE=${EPLB_IMAGE_STORAGE:-/var/tmp/eplb-image}
VERSION=$(sed -n 's/^project(eplb VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
readonly VERSION
readonly IMAGE=${1:-localhost/eplb:$VERSION}
REVISION=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
readonly REVISION

for tool in mmdebstrap buildah; do
  command -v "$tool" >/dev/null || { echo "$0: $tool is missing: apt-get install mmdebstrap buildah" >&2; exit 77; }
done
[[ $(id -u) == 0 ]] || { echo "$0: run as root" >&2; exit 77; }

# Neither overlay mounts nor cgroups are needed, so that it works inside a container too.
buildah() { command buildah --root "$STORAGE/layers" --runroot "$STORAGE/run" --storage-driver vfs "$@"; }

mkdir -p "$STORAGE"
if ! buildah images --quiet "$BASE" >/dev/null 2>&1; then
  echo "making $BASE from Debian's packages"
  # What the published slim image leaves out is left out here.
  mmdebstrap --quiet --variant=minbase \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/*' \
    bookworm "$STORAGE/base.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$STORAGE/base.tar" / >/dev/null
  buildah config --cmd bash "$container"
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -f "$STORAGE/base.tar"
fi

# HEALTHCHECK is Docker's own: the format of the Open Container Initiative has no room for it.
buildah bud --format docker --isolation chroot --pull-never --layers \
  --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" --tag "$IMAGE" .
buildah rmi --prune >/dev/null 2>&1 || true
echo "built $IMAGE in $STORAGE"
