#include "client/eplbctl/report_contents.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/text_table.h"
#include "server/balancer/balance_metrics.h"
#include "server/balancer/migration/transfer_planner.h"
#include "server/balancer/sample_mean.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

std::size_t Index(int value) { return static_cast<std::size_t>(value); }

// Each GPU's load over the layer's mean: [layers x gpus].
std::vector<double> RelativeLoads(const Placement& placement, const LoadMatrix& loads, const Topology& topology) {
  std::vector<double> relative;
  BalanceMeter meter(topology);
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const LayerBalance balance = meter.Measure(placement.layer(layer), loads.layer(layer));
    for (double load : meter.gpu_load()) relative.push_back(balance.mean > 0 ? load / balance.mean : 0.0);
  }
  return relative;
}

std::vector<double> Shares(const LoadMatrix& loads) {
  std::vector<double> shares;
  for (int layer = 0; layer < loads.num_layers(); ++layer) {
    const auto row = loads.layer(layer);
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double load : row) shares.push_back(sum > 0 ? load / sum : 0.0);
  }
  return shares;
}

// The way that the plan goes; from the contiguous layout, which nobody has in force, the way that it would go.
absl::StatusOr<std::vector<Transfer>> Way(const RebalanceTask& task, const RebalanceResult& result) {
  if (task.has_current) return result.transfers;
  return PlanTransfers(task.before, result.placement, task.topology, {});
}

}  // namespace

std::vector<std::int64_t> NodeFetches(std::span<const Transfer> transfers, const Topology& topology) {
  const auto nodes = Index(topology.num_nodes());
  std::vector<std::int64_t> fetches(nodes * nodes, 0);
  for (const Transfer& transfer : transfers) {
    const int target = topology.gpu_of_slot(transfer.target_slot);
    const int source = transfer.source_slot < 0 ? -1 : topology.gpu_of_slot(transfer.source_slot);
    if (source == target) continue;
    const int to = topology.node_of_gpu(target);
    const int from = source < 0 ? to : topology.node_of_gpu(source);
    ++fetches[Index(from) * nodes + Index(to)];
  }
  return fetches;
}

absl::StatusOr<ReportData> ReportContents(const RebalanceTask& task, const RebalanceResult& result) {
  EPLB_ASSIGN_OR_RETURN(const LoadMatrix loads, SampleMean(task.samples));
  const Topology& topology = task.topology;
  ReportData data;
  data.title = absl::StrCat(topology.num_slots(), " slots on ", topology.num_gpus(), " GPUs, policy ", result.policy);
  data.subtitle = absl::StrCat(task.description, "; before: ", task.has_current ? "the current" : "the contiguous",
                               " placement; planned in ", Fixed(result.compute_ms, 2), " ms");
  data.num_gpus = topology.num_gpus();
  data.num_nodes = topology.num_nodes();
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) data.node_of_gpu.push_back(topology.node_of_gpu(gpu));
  data.model_layers = task.model_layers;
  data.gpu_before = RelativeLoads(task.before, loads, topology);
  data.gpu_after = RelativeLoads(result.placement, loads, topology);
  data.balancedness_before = result.balancedness_before;
  data.balancedness_after = result.balancedness_after;
  data.worst_balancedness_after = result.worst_after;
  data.step_time_before = result.step_time_before;
  data.step_time_after = result.step_time_after;
  data.lower_bound_step_time = result.lower_bound_step_time;
  data.compute_milliseconds = result.compute_ms;
  data.fetches = result.fetches;
  data.num_slots = topology.num_slots();
  data.twins = result.twins_after;
  data.num_experts = loads.num_experts();
  for (int layer = 0; layer < result.placement.num_layers(); ++layer) {
    const auto counts = CountReplicas(result.placement.layer(layer), loads.num_experts());
    data.replicas.insert(data.replicas.end(), counts.begin(), counts.end());
  }
  data.expert_share = Shares(loads);
  EPLB_ASSIGN_OR_RETURN(const std::vector<Transfer> way, Way(task, result));
  data.node_fetches = NodeFetches(way, topology);
  return data;
}

}  // namespace eplb
