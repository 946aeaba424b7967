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
inline constexpr char kDeployment[] = "deployment";  // its name; kOther past metrics.max_deployment_labels
inline constexpr char kOutcome[] = "outcome";        // ReportOutcomeName, RolloutOutcomeName, kChanged and so on
inline constexpr char kReason[] = "reason";          // UnchangedReasonName, kPublished, or RejectionReasonName
inline constexpr char kDecision[] = "decision";      // kAccepted, "gain_below_cost", "hysteresis"
inline constexpr char kState[] = "state";            // kLive, kExpired, kExcluded, or PlacementStateName
inline constexpr char kPhase[] = "phase";            // kAllPhases, "unspecified", "prefill", "decode"
inline constexpr char kPlacement[] = "placement";    // kLive, kContiguous, kPredicted
inline constexpr char kLayer[] = "layer";            // absolute transformer layer index

inline constexpr char kBefore[] = "before";
inline constexpr char kAfter[] = "after";
inline constexpr char kIntraNode[] = "intra_node";
inline constexpr char kInterNode[] = "inter_node";
inline constexpr char kOther[] = "other";
inline constexpr char kChanged[] = "changed";
inline constexpr char kUnchanged[] = "unchanged";
inline constexpr char kFailed[] = "failed";
inline constexpr char kPublished[] = "published";
inline constexpr char kAccepted[] = "accepted";
inline constexpr char kLive[] = "live";
inline constexpr char kExpired[] = "expired";
inline constexpr char kExcluded[] = "excluded";
inline constexpr char kAllPhases[] = "all";
inline constexpr char kContiguous[] = "contiguous";
inline constexpr char kPredicted[] = "predicted";
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
inline constexpr Metric kCertificateExpiry{
    "eplb_tls_certificate_expiry_timestamp_seconds",
    "When the first certificate in tls.certificate_file stops being valid, in unix time; 0: it holds none."};

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

// The live service as a whole.
inline constexpr Metric kDeployments{"eplb_deployments", "Deployments known now."};
inline constexpr Metric kUnlabelledDeployments{"eplb_deployments_without_labels",
                                               "Deployments counted together under the label other."};
inline constexpr Metric kUnlayeredDeployments{"eplb_deployments_without_layer_series",
                                              "Deployments whose per-layer series do not fit the cap."};
inline constexpr Metric kPlannerQueueDepth{"eplb_planner_queue_depth", "Due deployments that wait for a thread now."};
inline constexpr Metric kReportInterval{"eplb_report_interval_seconds", "Interval between reports asked of workers."};
inline constexpr Metric kReportLag{"eplb_report_lag_seconds",
                                   "Time from the end of a report's window, by the worker's clock, to its receipt."};
inline constexpr Metric kPlanDuration{"eplb_plan_duration_seconds", "Time spent on one live plan."};
inline constexpr Metric kAcknowledgementLatency{"eplb_acknowledgement_latency_seconds",
                                                "Time from a publication to a worker's report of a state."};
inline constexpr Metric kRolloutDuration{"eplb_rollout_duration_seconds",
                                         "Time from a publication to the end of its rollout."};
inline constexpr Metric kRejections{"eplb_rejections_total", "Placements that a worker rejected, by its reason."};

// One deployment: its workers.
inline constexpr Metric kKnownSince{"eplb_deployment_known_timestamp_seconds",
                                    "When this server came to know the deployment, in unix time."};
inline constexpr Metric kReports{"eplb_reports_total", "Reports taken in, by what became of them."};
inline constexpr Metric kLostReports{"eplb_lost_reports_total", "Reports that never came, by the gaps in sequence."};
inline constexpr Metric kWorkers{"eplb_workers", "Workers by liveness."};
inline constexpr Metric kWorkersBehind{
    "eplb_workers_behind", "Workers that were sent the placement in force and have not applied it in time."};
inline constexpr Metric kReportingWorkers{"eplb_reporting_workers", "Workers that reported in the last sub-window."};
inline constexpr Metric kWatchers{"eplb_watchers", "Open watches."};
inline constexpr Metric kLivenessChanges{
    "eplb_worker_liveness_changes_total",
    "Workers that fell silent, were given up, or came back, by the state reached."};
inline constexpr Metric kPaused{"eplb_deployment_paused", "1 while automatic rebalancing is paused."};
inline constexpr Metric kExcludedGpus{"eplb_excluded_gpus", "GPUs that an operator excluded."};
inline constexpr Metric kDrainingGpus{"eplb_draining_gpus", "GPUs that an operator drains."};

// One deployment: how balanced it is.
inline constexpr Metric kLastSubWindow{"eplb_last_sub_window_timestamp_seconds",
                                       "End of the newest sub-window, in unix time: its age is how fresh all else is."};
inline constexpr Metric kBalancedness{
    "eplb_balancedness_ratio", "Mean over layers of mean GPU load / maximum GPU load, live; 1 is perfect balance."};
inline constexpr Metric kPredictedBalancedness{
    "eplb_predicted_balancedness_ratio",
    "Mean over layers of mean GPU load / maximum GPU load that the newest plan promises: of all phases under the "
    "forecast, of one under its newest loads."};
inline constexpr Metric kWorstBalancedness{"eplb_worst_layer_balancedness_ratio",
                                           "Balancedness of the least balanced layer, live."};
inline constexpr Metric kGpuUtilisation{
    "eplb_gpu_utilisation_ratio",
    "Sum over layers of the mean GPU load / sum of the maximum: part of the time that the "
    "mean GPU works in expert layers."};
inline constexpr Metric kStepTime{
    "eplb_step_time_ratio",
    "Sum over layers of the maximum GPU load / sum of the mean, of the placement in force, of "
    "the contiguous one, and as predicted; 1 is perfect balance."};
inline constexpr Metric kForecastError{"eplb_forecast_error_ratio",
                                       "Distance of the predicted step time from the live one, as a ratio of it."};
inline constexpr Metric kImbalanceReduction{
    "eplb_imbalance_reduction_ratio",
    "Part of the contiguous placement's imbalance (step time - 1) that is gone; 1 is all of it."};
inline constexpr Metric kThroughputGain{"eplb_throughput_gain_ratio",
                                        "Step time of the contiguous placement / step time live."};
inline constexpr Metric kLayerBalancedness{"eplb_layer_balancedness_ratio",
                                           "Balancedness of one layer, live; by metrics.per_layer."};

// One deployment: its plans and placements.
inline constexpr Metric kTicks{"eplb_ticks_total", "Ticks by why nothing was published, or published."};
inline constexpr Metric kPlans{"eplb_plans_total", "Live plans made, by outcome."};
inline constexpr Metric kGateDecisions{"eplb_gate_decisions_total",
                                       "Plans that the benefit gate saw, by its decision."};
inline constexpr Metric kPredictedGain{"eplb_predicted_gain_gpu_seconds_total",
                                       "GPU time that published plans were predicted to save over the horizon."};
inline constexpr Metric kPredictedCost{"eplb_predicted_cost_gpu_seconds_total",
                                       "GPU time that the transfers of published plans were predicted to cost."};
inline constexpr Metric kPublications{"eplb_publications_total", "Placements published."};
inline constexpr Metric kMoves{"eplb_moves_total", "Experts that GPUs fetch by published placements, by where from."};
inline constexpr Metric kMovedBytes{"eplb_moved_bytes_total", "Bytes of weights that published placements move."};
inline constexpr Metric kFetchedBytes{
    "eplb_fetched_bytes_total", "Bytes of weights that workers told of having fetched for placements they applied."};
inline constexpr Metric kChangedLayers{"eplb_changed_layers_total", "Layers that published placements change."};
inline constexpr Metric kRollouts{"eplb_rollouts_total", "Rollouts of published placements, by how they ended."};
inline constexpr Metric kEpoch{"eplb_placement_epoch_timestamp_seconds",
                               "Epoch of the newest placement: when its owner took the deployment over, in unix time."};
inline constexpr Metric kPlacementRevision{"eplb_placement_revision", "Revision of the newest placement in its epoch."};

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
