#ifndef EPLB_CLIENT_REPORT_REPORT_DATA_H_
#define EPLB_CLIENT_REPORT_REPORT_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

namespace eplb {

// One curve of the page's step-time chart: a policy replayed over a recorded series.
struct ReplayCurve {
  std::string name;                // of the policy, as a person would say it
  std::vector<double> step_times;  // of each scored sub-window, >= 1
  double fetch_percent = 0;        // experts fetched per window, in percent of all slots
  bool ours = false;               // drawn in the accent colour
};

// Everything the report page shows; plain numbers, so that the page is a pure function of them.
struct ReportData {
  std::string title;     // as in "deepseek-v3 prefill: 288 slots on 32 GPUs"
  std::string subtitle;  // how it was made: the policy, the file, the budget
  int num_gpus = 0;
  int num_nodes = 1;
  std::vector<int> node_of_gpu;    // [gpus]
  std::vector<int> model_layers;   // [layers]
  std::vector<double> gpu_before;  // [layers x gpus] GPU load / the layer's mean, row major
  std::vector<double> gpu_after;   // same

  double balancedness_before = 0;
  double balancedness_after = 0;
  double worst_balancedness_after = 0;
  double step_time_before = 0;
  double step_time_after = 0;
  double lower_bound_step_time = 0;
  double compute_milliseconds = 0;
  int fetches = 0;
  int num_slots = 0;  // per layer
  int twins = 0;

  int num_experts = 0;
  std::vector<std::int32_t> replicas;  // [layers x experts] after the plan, row major
  std::vector<double> expert_share;    // [layers x experts] of the layer's tokens, row major

  std::vector<std::int64_t> node_fetches;  // [nodes x nodes] experts copied from node row to node column

  std::vector<ReplayCurve> replays;  // empty: the chart is left out
};

}  // namespace eplb

#endif  // EPLB_CLIENT_REPORT_REPORT_DATA_H_
