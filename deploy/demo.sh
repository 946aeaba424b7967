#!/usr/bin/env bash
# The main job on a fresh Debian 12 machine, as root or with sudo: installs what is missing, builds and starts the server,
# plans a placement for a made-up load of DeepSeek-V3's shape, then builds the simulator and keeps a simulated fleet of 32
# workers balanced through a shift of its traffic and a killed server. Everything listens on loopback and stops at the end.
#
#   deploy/demo.sh [SECONDS]     how long the fleet runs; 60 unless given, at least 30
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-60}"
case "$seconds" in '' | *[!0-9]*) echo "usage: $0 [SECONDS]" >&2; exit 2 ;; esac
if [ "$seconds" -lt 30 ]; then echo "$0: SECONDS: $seconds: must be at least 30" >&2; exit 2; fi

deploy/install_packages.sh build
mkdir -p build
: >build/demo.log
logged() { "$@" >>build/demo.log 2>&1 || { tail -n 30 build/demo.log >&2; exit 1; }; }
echo "building the server and eplbctl"
logged cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DEPLB_BUILD_TESTS=OFF -DEPLB_BUILD_BENCHMARKS=OFF
logged cmake --build build/demo --target eplb-server eplbctl -j "$(nproc)"
bin=build/demo/bin
work="$(mktemp -d)"
server_pid=
simulator_pid=
# Ends what this script started, whatever happens.
finish() {
  if [ -n "$simulator_pid" ]; then kill "$simulator_pid" 2>/dev/null || true; fi
  if [ -n "$server_pid" ]; then kill "$server_pid" 2>/dev/null || true; wait "$server_pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

start_server() {
  rm -f "$work/ready"
  "$bin/eplb-server" --grpc.listen_address="${1:-127.0.0.1:0}" --metrics.listen_address="${2:-127.0.0.1:0}" \
    --telemetry.report_interval=1s --drain.delay=0s --process.ready_file="$work/ready" 2>>"$work/server.log" &
  server_pid=$!
  for _ in $(seq 100); do
    [ -e "$work/ready" ] && break
    kill -0 "$server_pid" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.1
  done
  address="$(sed -n 's/^grpc=//p' "$work/ready")"
  metrics="$(sed -n 's/^metrics=//p' "$work/ready")"
}

start_server
echo
echo "== one call: Rebalance for a made-up load of DeepSeek-V3's shape, 288 slots on 32 GPUs"
"$bin/eplbctl" generate --layers 58 --experts 256 --output "$work/loads.csv"
"$bin/eplbctl" rebalance --loads "$work/loads.csv" --slots 288 --gpus 32 --server "$address"
echo
echo "$SECONDS s from the start of this script to this first placement"
echo "metrics: http://$metrics/metrics (while this runs)"
echo
echo "building the simulator"
logged cmake --build build/demo --target eplb-simulator -j "$(nproc)"
echo
echo "== a live fleet: 32 workers; traffic shifts at second $((seconds / 2)), the server is killed at second $((seconds * 3 / 4))"
"$bin/eplb-simulator" --server "$address" --seconds "$seconds" --shift-at "$((seconds / 2))" &
simulator_pid=$!
sleep "$((seconds * 3 / 4))"
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null || true
echo "------ kill -9: the server is gone; another one starts in its place, with nothing in memory"
start_server "$address" "$metrics"
wait "$simulator_pid"
simulator_pid=
