#!/usr/bin/env bash
# Whether the README's 60-second tour works, line by line and in its order, with the programs that are built already.
#
#   tour_test.sh SOURCE_DIR BIN_DIR WORK_DIR
#
# The lines that install and build are left out, and the ports become free ones. Exits with 77 (skipped) where curl is
# missing.
set -euo pipefail

readonly SOURCE_DIR=$(realpath "$1")
readonly BIN_DIR=$(realpath "$2")
rm -rf "$3"
mkdir -p "$3/bin"
readonly WORK_DIR=$(realpath "$3")
if ! command -v curl >/dev/null; then
  echo "SKIPPED: curl is not installed"
  exit 77
fi

# Two ports that nobody listens on.
read -r grpc_port metrics_port < <(python3 - <<'PORTS'
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PORTS
)

# The server as the tour starts it, but on these ports, and noted for the end.
cat >"$WORK_DIR/bin/eplb-server" <<WRAPPER
#!/usr/bin/env bash
echo \$\$ >>"$WORK_DIR/pids"
exec "$BIN_DIR/eplb-server" --grpc.listen_address=127.0.0.1:$grpc_port --metrics.listen_address=127.0.0.1:$metrics_port \
  --drain.delay=0s "\$@"
WRAPPER
cat >"$WORK_DIR/bin/eplb-simulator" <<WRAPPER
#!/usr/bin/env bash
echo \$\$ >>"$WORK_DIR/pids"
exec "$BIN_DIR/eplb-simulator" "\$@"
WRAPPER
ln -s "$BIN_DIR/eplbctl" "$WORK_DIR/bin/eplbctl"
chmod +x "$WORK_DIR/bin/eplb-server" "$WORK_DIR/bin/eplb-simulator"
: >"$WORK_DIR/pids"
finish() {
  while read -r pid; do
    if grep -qsF "$BIN_DIR/" "/proc/$pid/cmdline"; then kill "$pid" || true; fi
  done <"$WORK_DIR/pids"
}
trap finish EXIT

{
  echo 'set -euxo pipefail'
  sed -n '/^## 60-second tour$/,/^## What the figures mean$/s/^    //p' "$SOURCE_DIR/README.md" |
    sed -e '/^deploy\/install_packages.sh /d' -e '/^cmake /d' -e "s|build/release/bin/|$WORK_DIR/bin/|g" \
      -e "s/:50051/:$grpc_port/g" -e "s/:9464/:$metrics_port/g"
  echo 'wait'  # for what the last line has ended
} >"$WORK_DIR/tour.sh"
lines=$(grep -c "$WORK_DIR/bin/" "$WORK_DIR/tour.sh")
if [[ "$lines" -lt 12 ]]; then
  echo "FAILED: only $lines commands found in the tour"
  exit 1
fi

cd "$WORK_DIR"
if ! timeout 150 bash tour.sh >tour.out 2>tour.err; then
  echo "FAILED: the tour ends at:"
  tail -n 15 tour.err
  exit 1
fi
for words in 'proven lower bound' 'eplb_rebalance' 'simulated/fleet-0' 'paused' 'transfers'; do
  if ! grep -q "$words" tour.out; then
    echo "FAILED: the tour's output has no '$words':"
    cat tour.out
    exit 1
  fi
done
for file in loads.csv plan.json newer.csv copies.csv plan.html fleet.log; do
  if [[ ! -s "$file" ]]; then
    echo "FAILED: the tour leaves no $file"
    exit 1
  fi
done
echo "ok: $lines commands"
