#ifndef EPLB_SERVER_METRICS_NAMES_H_
#define EPLB_SERVER_METRICS_NAMES_H_

namespace eplb {

// Every metric that the service exports, with its help, and every label: dashboards, rules and the runbook use these
// names, so that a change here is a change to them. Names carry base units; help texts are one line.
struct Metric {
  const char* name;
  const char* help;
};

namespace labels {
inline constexpr char kMethod[] = "method";    // RpcMethodName
inline constexpr char kCode[] = "code";        // RpcCodeName
inline constexpr char kPolicy[] = "policy";    // PolicyName
inline constexpr char kStage[] = "stage";      // kBefore, kAfter
inline constexpr char kReach[] = "reach";      // kIntraNode, kInterNode
inline constexpr char kVersion[] = "version";  // of the build
inline constexpr char kRevision[] = "revision";

inline constexpr char kBefore[] = "before";
inline constexpr char kAfter[] = "after";
inline constexpr char kIntraNode[] = "intra_node";
inline constexpr char kInterNode[] = "inter_node";
}  // namespace labels

namespace metrics {

// The build.
inline constexpr Metric kBuildInfo{"eplb_build_info", "Always 1; the labels say which build this is."};

// Calls on the gRPC ports.
inline constexpr Metric kRpcCalls{"eplb_rpc_calls_total", "Finished calls by method and status code."};
inline constexpr Metric kRpcLatency{"eplb_rpc_latency_seconds",
                                    "Time from the start to the end of a call; of a stream, its life."};
inline constexpr Metric kRpcInFlight{"eplb_rpc_in_flight", "Calls and streams that are open now."};
inline constexpr Metric kRpcReceivedMessages{"eplb_rpc_received_messages_total", "Messages received."};
inline constexpr Metric kRpcReceivedBytes{"eplb_rpc_received_bytes_total",
                                          "Bytes of the messages received, as serialized."};
inline constexpr Metric kRpcSentMessages{"eplb_rpc_sent_messages_total", "Messages sent."};
inline constexpr Metric kRpcSentBytes{"eplb_rpc_sent_bytes_total", "Bytes of the messages sent, as serialized."};

// Rebalance calls that carry their loads.
inline constexpr Metric kRebalanceDuration{"eplb_rebalance_duration_seconds", "Time spent computing a placement."};
inline constexpr Metric kRebalanceWait{"eplb_rebalance_wait_seconds", "Time that a call waited for a planning thread."};
inline constexpr Metric kRebalanceBalancedness{
    "eplb_rebalance_balancedness_ratio", "Mean over layers of mean GPU load / maximum GPU load; 1 is perfect balance."};
inline constexpr Metric kRebalanceStepTime{
    "eplb_rebalance_step_time_ratio",
    "Sum over layers of the maximum GPU load / sum of the mean; 1 is perfect balance."};
inline constexpr Metric kRebalanceGap{
    "eplb_rebalance_lower_bound_gap_ratio",
    "How far the planned step time is above its proven lower bound, as a ratio of it."};
inline constexpr Metric kRebalanceMoves{"eplb_rebalance_moves_total",
                                        "Experts that GPUs fetch by the planned placements, by where from."};
inline constexpr Metric kRebalanceTwins{"eplb_rebalance_twins_total",
                                        "Replicas beyond the first of an expert on one GPU, in planned placements."};
inline constexpr Metric kRebalanceShed{"eplb_rebalance_shed_total", "Calls refused because too many were waiting."};
inline constexpr Metric kRebalanceDeduplicated{"eplb_rebalance_deduplicated_total",
                                               "Calls answered with the first answer to their request id."};
inline constexpr Metric kPoolQueueDepth{"eplb_pool_queue_depth", "Tasks that wait for a planning thread now."};

// The process, as Prometheus' own client libraries name it.
inline constexpr Metric kProcessCpu{"process_cpu_seconds_total", "CPU time spent, user and system."};
inline constexpr Metric kProcessResident{"process_resident_memory_bytes", "Resident memory."};
inline constexpr Metric kProcessVirtual{"process_virtual_memory_bytes", "Virtual memory."};
inline constexpr Metric kProcessOpenFds{"process_open_fds", "Open file descriptors."};
inline constexpr Metric kProcessMaxFds{"process_max_fds", "Most file descriptors that may be open."};
inline constexpr Metric kProcessStartTime{"process_start_time_seconds", "Start of the process, in unix time."};
inline constexpr Metric kProcessThreads{"process_threads", "Threads of the process."};

}  // namespace metrics
}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_NAMES_H_
