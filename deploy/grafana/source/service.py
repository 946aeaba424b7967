"""Whether the service itself is well: calls, planning threads, process."""

from .panels import SERVICE, dashboard as make, mean, quantiles, rate, row, series, service_variables, stat, target

API = SERVICE + ', method=~"eplb.v1.EplbService/.+"'
STREAMS = "eplb.v1.EplbService/(StreamTelemetry|WatchPlacements)"
UNARY = API + f', method!~"{STREAMS}"'
FAULTS = "UNKNOWN|INTERNAL|DATA_LOSS|UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED"


def summary_panels():
    return [
        stat("Servers up", "Servers that Prometheus could scrape last.", "sum(up{SERVICE})", "short",
             [("red", None), ("green", 1)]),
        stat("Calls per second", "Finished calls of the API, all methods; a stream counts when it ends.",
             f"sum(rate(eplb_rpc_calls_total{{{API}}}[$__rate_interval]))", "reqps", [("green", None)]),
        stat("Fault ratio", "Share of API calls, of the set of servers where it is largest, that ended with a code that is the "
             "service's fault or shows overload: UNKNOWN, INTERNAL, DATA_LOSS, UNAVAILABLE, DEADLINE_EXCEEDED, "
             "RESOURCE_EXHAUSTED. Alert EplbErrors.",
             f'max(sum by (component) (rate(eplb_rpc_calls_total{{{API}, code=~"{FAULTS}"}}[$__rate_interval])) / '
             f"sum by (component) (rate(eplb_rpc_calls_total{{{API}}}[$__rate_interval])))", "percentunit",
             [("green", None), ("orange", 0.01), ("red", 0.05)], decimals=2),
        stat("Open streams", "Telemetry streams and watches that are open now.",
             f'sum(eplb_rpc_in_flight{{{SERVICE}, method=~"{STREAMS}"}})', "short", [("green", None)]),
        stat("CPU in use", "CPU cores in use, all servers.", "sum(rate(process_cpu_seconds_total{SERVICE}[$__rate_interval]))",
             "short", [("green", None)], decimals=2),
        stat("Largest memory", "Resident memory of the largest server.", "max(process_resident_memory_bytes{SERVICE})", "bytes",
             [("green", None), ("orange", 1.5 * 2**30)]),
    ]


def call_panels():
    return [
        row("Calls"),
        series("Calls by method", "Finished calls per second of each API method; a stream counts when it ends.",
               [target(rate("eplb_rpc_calls_total", "method", API), "{{method}}")], "reqps"),
        series("Calls by code", "Finished calls per second by status code. What is not OK is either the caller's "
               "(INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, CANCELLED, ABORTED) or the service's.",
               [target(rate("eplb_rpc_calls_total", "code", API) + " > 0", "{{code}}")], "reqps"),
        series("Latency of unary calls", "Median and 99th percentile from the first byte of a call to its end. Streams "
               "are left out: theirs is their life.", quantiles("eplb_rpc_latency_seconds", UNARY, ("method",), " {{method}}"),
               "s", low=0),
        series("Calls and streams in flight", "Open now, by method. One StreamTelemetry per worker connection, one "
               "WatchPlacements per watcher.", [target(f"sum by (method) (eplb_rpc_in_flight{{{API}}})", "{{method}}")],
               "short", low=0),
        series("Messages", "Messages per second in (reports, requests) and out (directives, placements).",
               [target(f"sum(rate(eplb_rpc_received_messages_total{{{API}}}[$__rate_interval]))", "received"),
                target(f"sum(rate(eplb_rpc_sent_messages_total{{{API}}}[$__rate_interval]))", "sent")], "cps", low=0),
        series("Traffic", "Bytes per second of messages as serialized, without framing.",
               [target(f"sum(rate(eplb_rpc_received_bytes_total{{{API}}}[$__rate_interval]))", "received"),
                target(f"sum(rate(eplb_rpc_sent_bytes_total{{{API}}}[$__rate_interval]))", "sent")], "Bps", low=0),
    ]


def rebalance_panels():
    return [
        row("Rebalance calls that carry their loads"),
        series("Planning time", "Time spent computing one placement, by policy. It grows with layers x slots.",
               quantiles("eplb_rebalance_duration_seconds", SERVICE, ("policy",), " {{policy}}"), "s", low=0),
        series("Wait for a planning thread", "Time that calls waited before planning began. Alert EplbPlannerBehind.",
               quantiles("eplb_rebalance_wait_seconds", SERVICE, (), ""), "s", low=0),
        series("Queue, refusals, repeats", "Tasks that wait for a planning thread now; calls per second refused because "
               "the queue was full, and answered with the first answer to their request id.",
               [target("sum(eplb_pool_queue_depth{SERVICE})", "waiting"),
                target("sum(rate(eplb_rebalance_shed_total{SERVICE}[$__rate_interval]))", "refused per second"),
                target("sum(rate(eplb_rebalance_deduplicated_total{SERVICE}[$__rate_interval]))", "repeats per second")],
               "short", low=0),
        series("Balancedness before and after", "Mean over calls of the mean over layers of mean GPU load / maximum GPU "
               "load. 1 is perfect.", [target(mean("eplb_rebalance_balancedness_ratio", SERVICE, ("stage",)), "{{stage}}")],
               "percentunit", low=0, high=1),
        series("Step time before and after", "Mean over calls of the sum over layers of the maximum GPU load / sum of the "
               "mean: what serving pays. 1 is perfect.",
               [target(mean("eplb_rebalance_step_time_ratio", SERVICE, ("stage",)), "{{stage}}")], "short", low=1),
        series("Moves", "Experts per second that GPUs fetch by the planned placements, from their own node and from "
               "others.", [target(rate("eplb_rebalance_moves_total", "reach", SERVICE), "{{reach}}")], "cps", low=0),
        series("Distance from the proven lower bound", "How far the planned step time is above what no placement can "
               "beat, as a ratio. The bound is loose where an expert is hotter than all its replicas can share.",
               quantiles("eplb_rebalance_lower_bound_gap_ratio", SERVICE, (), ""), "percentunit", width=12, low=0),
        series("Twins", "Replicas per second that share a GPU with another of the same expert, in planned placements: "
               "slots wasted. Only the reference policies make them.",
               [target("sum(rate(eplb_rebalance_twins_total{SERVICE}[$__rate_interval]))", "twins")], "cps", width=12, low=0),
    ]


def process_panels():
    return [
        row("Process"),
        series("CPU", "CPU cores in use by each server.",
               [target("rate(process_cpu_seconds_total{SERVICE}[$__rate_interval])", "{{instance}}")], "short", low=0),
        series("Resident memory", "Memory of each server. It grows with workers and deployments (RUNBOOK.md, Capacity), "
               "never with time.", [target("process_resident_memory_bytes{SERVICE}", "{{instance}}")], "bytes", low=0),
        series("Threads", "Threads of each server: planning, gRPC, metrics.",
               [target("process_threads{SERVICE}", "{{instance}}")], "short", low=0),
        series("File descriptors in use", "Share of the file descriptors that may be open; a connection takes one. Alert "
               "EplbFileDescriptors.",
               [target("process_open_fds{SERVICE} / process_max_fds{SERVICE}", "{{instance}}")], "percentunit", width=12, low=0,
               high=1),
        series("Certificate valid for", "Time until the first certificate in the server's certificate file ends; only with "
               "TLS. Alert EplbCertificateExpires.",
               [target("eplb_tls_certificate_expiry_timestamp_seconds{SERVICE} - time()", "{{instance}}")], "s", width=12),
        series("Uptime", "Time since each server started. A fleet's state comes back from its workers' hellos after a "
               "restart.", [target("time() - process_start_time_seconds{SERVICE}", "{{instance}}")], "s", width=12, low=0),
        series("Versions", "Servers by version and revision; more than one during a rollout.",
               [target("sum by (version, revision) (eplb_build_info{SERVICE})", "{{version}} {{revision}}")], "short", width=12,
               low=0),
    ]


def dashboard(uid):
    return make(uid, "EPLB / Service health", "Calls, planning and process of the EPLB servers.", service_variables(),
                summary_panels() + call_panels() + rebalance_panels() + process_panels())
