#!/usr/bin/env bash
# Runs the image that build.sh made, as Kubernetes would: as a user that owns nothing, without capabilities, on a
# read-only file system, in its own process and mount namespaces. Asks it for a placement and for its metrics, probes
# it as HEALTHCHECK does, stops it, and prints its size and how long it took to start.
#
#   deploy/image/try.sh [NAME:TAG]     default localhost/eplb:VERSION
#
# No container engine is needed: unshare and chroot do what one would, so that it works inside a container too.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly STORAGE=${EPLB_IMAGE_STORAGE:-/var/tmp/eplb-image}
VERSION=$(sed -n 's/^project(eplb VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
readonly VERSION
readonly IMAGE=${1:-localhost/eplb:$VERSION}
if [[ $# -gt 1 || "$IMAGE" == -* ]]; then echo "usage: $0 [NAME:TAG]" >&2; exit 2; fi

for tool in buildah unshare curl; do
  command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is missing"; exit 77; }
done
[[ $(id -u) == 0 ]] || { echo "SKIPPED: the image is run by root only"; exit 77; }
buildah() { command buildah --root "$STORAGE/layers" --runroot "$STORAGE/run" --storage-driver vfs "$@"; }
buildah inspect --type image "$IMAGE" >/dev/null 2>&1 || { echo "$0: no image $IMAGE: run deploy/image/build.sh" >&2; exit 1; }

container=$(buildah from --pull-never "$IMAGE")
root=$(buildah mount "$container")
shared=$(mktemp -d) # what the container sees as /run, its only writable folder
server=
finish() {
  [[ -z "$server" ]] || kill -KILL "$server" 2>/dev/null || true
  buildah umount "$container" >/dev/null
  buildah rm "$container" >/dev/null
  rm -rf "$shared"
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; cat "$shared/log" >&2 2>/dev/null || true; exit 1; }

inspect() { buildah inspect --type image --format "$1" "$IMAGE"; }
user=$(inspect '{{.Docker.Config.User}}')
[[ "$user" =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "the user of the image is '$user', not a number other than root"
[[ $(inspect '{{index .Docker.Config.Labels "org.opencontainers.image.version"}}') == "$VERSION" ]] || fail "version label"

# in_container COMMAND...: replaces the calling shell by the command, in the image's own rules.
in_container() {
  exec unshare --mount --pid --fork --kill-child=KILL -- bash -c '
    set -e
    root=$1 shared=$2 user=$3; shift 3
    mount --bind "$root" "$root"
    mount --bind "$shared" "$root/run"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev"
    for device in null urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
    mount -o remount,ro,bind "$root"
    exec chroot "$root" /usr/bin/setpriv --reuid="${user%%:*}" --regid="${user##*:}" --clear-groups \
      --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@"
  ' in_container "$root" "$shared" "$user" "$@"
}
eplbctl() { (in_container /usr/local/bin/eplbctl "$@"); }
chown "$user" "$shared"

# Any free ports instead of the image's own, so that nothing else on this machine is in the way.
started=$(date +%s%N)
(in_container /usr/local/bin/eplb-server --grpc.listen_address=127.0.0.1:0 --health.listen_address=127.0.0.1:0 \
  --metrics.listen_address=127.0.0.1:0 --process.ready_file=/run/ready --drain.delay=0s \
  --telemetry.report_interval=0.5s >"$shared/log" 2>&1) &
server=$!
until [[ -e "$shared/ready" ]]; do
  kill -0 "$server" 2>/dev/null || fail "the server ended"
  (($(date +%s%N) - started < 30000000000)) || fail "the server is not ready after 30 s"
  sleep 0.01
done
ready_milliseconds=$((($(date +%s%N) - started) / 1000000))
port_of() { sed -n "s/^$1=//p" "$shared/ready"; }
grpc=$(port_of grpc) health=$(port_of health) metrics=$(port_of metrics)

process=$(pgrep --parent "$server" -f eplb-server || pgrep -f -- "--process.ready_file=/run/ready" | tail -n 1)
status=/proc/$process/status
[[ $(awk '/^Uid:/ {print $2}' "$status") == "${user%%:*}" ]] || fail "the server does not run as $user"
[[ $(awk '/^CapEff:/ {print $2}' "$status") == 0000000000000000 ]] || fail "the server has capabilities"
if (in_container /usr/bin/touch /usr/local/bin/new 2>/dev/null); then fail "the file system can be written to"; fi

# The image's own HEALTHCHECK, at the port that was found.
read -r -a probe <<<"$(inspect '{{range .Docker.Config.Healthcheck.Test}}{{.}} {{end}}')"
[[ "${probe[0]}" == CMD ]] || fail "HEALTHCHECK is '${probe[*]}'"
probe=("${probe[@]/127.0.0.1:50052/$health}")
[[ $(in_container "${probe[@]:1}") == SERVING ]] || fail "HEALTHCHECK"

eplbctl generate --layers 58 --experts 256 --output /run/loads.csv
eplbctl rebalance --loads /run/loads.csv --slots 288 --gpus 32 --server "$grpc"
page=$(curl --fail --silent --show-error "http://$metrics/metrics")
grep -q '^eplb_rpc_calls_total{code="OK",method="eplb.v1.EplbService/Rebalance"} 1$' <<<"$page" ||
  fail "the metrics do not count the Rebalance as OK: $page"
(in_container /usr/local/bin/eplb-simulator --server "$grpc" --seconds 5)
page=$(curl --fail --silent --show-error "http://$metrics/metrics")
grep -q '^eplb_reports_total{deployment="simulated/fleet-0",outcome="folded"} [1-9]' <<<"$page" ||
  fail "the metrics do not count the simulated fleet's reports: $page"

kill -TERM "$process"
wait "$server" || fail "the server's exit code after SIGTERM is $?"
server=

echo
echo "metrics:     $(grep -c '^[^#]' <<<"$page") series on http://$metrics/metrics"
echo "user:        $user, no capabilities, read-only file system"
echo "image size:  $(du -sxm --apparent-size "$root" | cut -f1) MB unpacked, $(tar -C "$root" -c . | gzip -1 | wc -c | awk '{printf "%.0f", $1 / 1e6}') MB compressed"
echo "start time:  $ready_milliseconds ms from exec to ready"
