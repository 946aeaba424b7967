#!/bin/bash
# The image with the programs that were just built (deploy/image/build.sh), run as Kubernetes would (deploy/image/try.sh).
# Skipped where the tools for it are missing.
set -euo pipefail
cd "$EPLB_SOURCE"
readonly IMAGE=localhost/eplb-test:$$
for program in eplb-server eplbctl eplb-simulator; do
  [[ -x "$EPLB_BIN/$program" ]] || { echo "SKIPPED: $program is not built"; exit 77; }
done
deploy/image/build.sh --prebuilt "$EPLB_BIN" "$IMAGE"
code=0
deploy/image/try.sh "$IMAGE" || code=$?
storage=${EPLB_IMAGE_STORAGE:-/var/tmp/eplb-image}
buildah --root "$storage/layers" --runroot "$storage/run" --storage-driver vfs rmi "$IMAGE" >/dev/null
exit "$code"
