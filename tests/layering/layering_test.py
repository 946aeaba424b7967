#!/usr/bin/env python3
"""Checks that includes run one way only; a target boundary alone does not stop an include (headers are global).

Usage: layering_test.py SOURCE_DIR
"""

import pathlib
import re
import sys

# Folder -> the folders of this project that it may include. The longest matching folder is the one that rules.
MAY_INCLUDE = {
    "server/base": {"server/base"},
    "server/model": {"server/base", "server/model"},
    "server/balancer": {"server/base", "server/model", "server/balancer"},
    "server/telemetry": {"server/base", "server/model", "server/telemetry"},
    "server/placement": {"server/base", "server/model", "server/placement"},
    "server/planner": {"server/base", "server/model", "server/balancer", "server/telemetry", "server/placement",
                       "server/planner"},
    "server/config": {"server/base", "server/model", "server/config"},
    "server/log": {"server/base", "server/log"},
    "server/rpc": {"server/base", "server/model", "server/balancer", "server/telemetry", "server/placement",
                   "server/planner", "server/rpc"},
    "server/rpc/convert": {"server/base", "server/model", "server/balancer", "server/planner",
                           "server/rpc/convert"},
    "server/metrics": {"server/base", "server/model", "server/balancer", "server/telemetry", "server/placement",
                       "server/planner", "server/rpc", "server/metrics"},
    "server/app": {"server"},
    "server": {"server"},
    "client": {"server/base", "server/model", "server/balancer", "server/planner", "server/rpc/convert", "client"},
}

GRPC = re.compile(r"^(grpc|grpcpp|google/protobuf|google/rpc|eplb/.*\.pb\.h)")
GRPC_FOLDERS = ("server/rpc", "server/config", "server/app", "client", "tests")
PROMETHEUS = re.compile(r"^prometheus/")
PROMETHEUS_FOLDERS = ("server/metrics", "tests")
LOG = re.compile(r"^spdlog/")
LOG_FOLDERS = ("server/log", "tests")
# What makes an answer depend on more than its input.
IMPURE = re.compile(r"^(thread|mutex|shared_mutex|condition_variable|future|atomic|random|chrono|ctime|iostream|fstream"
                    r"|absl/(synchronization|random|time)/.*|server/base/(clock|mutex|thread_team|worker_pool)\.h)$")
PURE_FOLDERS = ("server/balancer",)

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def within(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def problems_in(source, included):
    ruling = max((folder for folder in MAY_INCLUDE if within(source, [folder])), key=len, default=None)
    if ruling and within(included, ["server", "client", "tests"]) and not within(included, MAY_INCLUDE[ruling]):
        yield f"{ruling} must not include {included}"
    if GRPC.match(included) and not within(source, GRPC_FOLDERS):
        yield f"gRPC and protobuf belong in {', '.join(GRPC_FOLDERS)}: {included}"
    if PROMETHEUS.match(included) and not within(source, PROMETHEUS_FOLDERS):
        yield f"Prometheus belongs in {', '.join(PROMETHEUS_FOLDERS)}: {included}"
    if LOG.match(included) and not within(source, LOG_FOLDERS):
        yield f"logging belongs in {', '.join(LOG_FOLDERS)}: {included}"
    if IMPURE.match(included) and within(source, PURE_FOLDERS):
        yield f"the core is pure, it must not include {included}"


def check(root):
    found = []
    files = 0
    for folder in ("server", "client", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            files += 1
            source = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    found += [f"{source}:{number}: {problem}" for problem in problems_in(source, match.group(1))]
    return files, found


def self_test():
    """The rules must be able to fail."""
    bad = [("server/balancer/x.cc", "thread"), ("server/balancer/x.cc", "server/planner/y.h"),
           ("server/model/x.cc", "grpcpp/grpcpp.h"), ("server/rpc/x.cc", "prometheus/counter.h"),
           ("server/model/x.h", "server/balancer/balancer.h"), ("server/rpc/convert/x.cc", "server/telemetry/y.h"),
           ("server/base/x.cc", "spdlog/spdlog.h"), ("client/x.cc", "server/metrics/names.h")]
    good = [("server/rpc/x.cc", "grpcpp/grpcpp.h"), ("server/app/x.cc", "server/metrics/names.h"),
            ("server/balancer/search/x.cc", "server/model/topology.h"), ("tests/x.cc", "random")]
    return ([f"self-test: {case} was let through" for case in bad if not list(problems_in(*case))] +
            [f"self-test: {case} was refused" for case in good if list(problems_in(*case))])


def main():
    files, found = check(pathlib.Path(sys.argv[1]))
    found += self_test()
    for line in found:
        print(line)
    print(f"{files} files, {len(found)} problems")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
