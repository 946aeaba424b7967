#include "client/eplbctl/rebalance_result.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/text_table.h"
#include "client/files/placement_export.h"

namespace eplb {
namespace {

// The shortest decimal that reads back as the same number.
std::string JsonNumber(double value) { return nlohmann::json(value).dump(); }

template <typename RowOf>
void AppendMatrix(std::string& out, const char* key, int num_rows, const RowOf& row_of) {
  absl::StrAppend(&out, "  \"", key, "\": [\n");
  for (int row = 0; row < num_rows; ++row) {
    out += "    ";
    AppendJsonRow(out, row_of(row));
    out += row + 1 < num_rows ? ",\n" : "\n";
  }
  out += "  ],\n";
}

void AppendShares(std::string& out, const RebalanceResult& result) {
  const auto num_slots = static_cast<std::size_t>(result.placement.num_slots());
  out += "  \"slot_shares\": [\n";
  for (std::size_t at = 0; at < result.slot_shares.size(); at += num_slots) {
    out += "    [";
    for (std::size_t slot = 0; slot < num_slots; ++slot) {
      absl::StrAppend(&out, slot > 0 ? "," : "", JsonNumber(result.slot_shares[at + slot]));
    }
    out += at + num_slots < result.slot_shares.size() ? "],\n" : "]\n";
  }
  out += "  ],\n";
}

void AppendRouting(std::string& out, const std::vector<RoutingRow>& routing) {
  out += "  \"logical_to_physical\": [\n";
  for (const RoutingRow& row : routing) {
    out += "    [";
    for (const std::vector<std::int32_t>& slots : row) {
      if (&slots != &row.front()) out += ',';
      AppendJsonRow(out, slots);
    }
    out += &row != &routing.back() ? "],\n" : "]\n";
  }
  out += "  ],\n";
}

// Green where `after` is better than `before`, red where it is worse, by more than what is shown.
Emphasis Compare(double before, double after, bool higher_is_better) {
  constexpr double kVisible = 5e-5;
  const double gain = higher_is_better ? after - before : before - after;
  return gain > kVisible ? Emphasis::kGood : gain < -kVisible ? Emphasis::kBad : Emphasis::kNone;
}

std::string Percent(double ratio) { return Fixed(ratio * 100, 2) + " %"; }

}  // namespace

std::string RebalanceResultJson(const RebalanceResult& result) {
  const Placement& placement = result.placement;
  std::string out = absl::StrCat("{\n  \"policy\": ", nlohmann::json(result.policy).dump(), ",\n");
  AppendMatrix(out, "physical_to_logical", placement.num_layers(), [&](int layer) { return placement.layer(layer); });
  AppendMatrix(out, "expert_count", placement.num_layers(),
               [&](int layer) { return CountReplicas(placement.layer(layer), placement.num_experts()); });
  if (!result.slot_shares.empty()) AppendShares(out, result);
  if (!result.routing.empty()) AppendRouting(out, result.routing);
  absl::StrAppend(&out, "  \"balancedness\": {\"before\": ", JsonNumber(result.balancedness_before),
                  ", \"after\": ", JsonNumber(result.balancedness_after),
                  ", \"worst_after\": ", JsonNumber(result.worst_after), "},\n");
  absl::StrAppend(&out, "  \"step_time\": {\"before\": ", JsonNumber(result.step_time_before),
                  ", \"after\": ", JsonNumber(result.step_time_after), "},\n");
  absl::StrAppend(&out, "  \"lower_bound_step_time\": ", JsonNumber(result.lower_bound_step_time),
                  ",\n  \"twins\": ", result.twins_after, ",\n  \"fetches\": ", result.fetches);
  if (result.gate) {
    absl::StrAppend(&out, ",\n  \"gate\": {\"gain_gpu_seconds\": ", JsonNumber(result.gate->gain_gpu_seconds),
                    ", \"cost_gpu_seconds\": ", JsonNumber(result.gate->cost_gpu_seconds), "}");
  }
  absl::StrAppend(&out, ",\n  \"compute_ms\": ", JsonNumber(result.compute_ms), "\n}\n");
  return out;
}

int TransferSteps(const std::vector<Transfer>& transfers) { return transfers.empty() ? 0 : transfers.back().step + 1; }

std::string TransfersJson(const std::vector<Transfer>& transfers, const std::vector<int>& model_layers) {
  std::string out = "{\n  \"transfers\": [";
  const char* separator = "\n";
  for (const Transfer& transfer : transfers) {
    absl::StrAppend(&out, separator, "    {\"model_layer\": ", model_layers[static_cast<std::size_t>(transfer.layer)],
                    ", \"expert\": ", transfer.expert, ", \"source_slot\": ", transfer.source_slot);
    absl::StrAppend(&out, ", \"target_slot\": ", transfer.target_slot, ", \"step\": ", transfer.step, "}");
    separator = ",\n";
  }
  return out + (transfers.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

std::string TransfersCsv(const std::vector<Transfer>& transfers, const std::vector<int>& model_layers) {
  std::string out = "model_layer,expert,source_slot,target_slot,step\n";
  for (const Transfer& transfer : transfers) {
    absl::StrAppend(&out, model_layers[static_cast<std::size_t>(transfer.layer)], ",", transfer.expert, ",",
                    transfer.source_slot, ",");
    absl::StrAppend(&out, transfer.target_slot, ",", transfer.step, "\n");
  }
  return out;
}

std::string RebalanceResultTable(const RebalanceTask& task, const RebalanceResult& result, bool colour) {
  const Topology& topology = task.topology;
  std::string out = absl::StrCat(task.description, "\n", topology.num_slots(), " slots on ", topology.num_gpus(),
                                 " GPUs in ", topology.num_nodes(), topology.num_nodes() == 1 ? " node" : " nodes",
                                 ", policy ", result.policy, ", planned in ", Fixed(result.compute_ms, 2), " ms\n\n");
  TextTable table({"", task.has_current ? "current" : "contiguous", "after"});
  const auto add = [&](const char* name, double before, double after, bool higher_is_better) {
    table.AddRow({name, Fixed(before, 4), Cell(Fixed(after, 4), Compare(before, after, higher_is_better))});
  };
  add("balancedness, mean of layers", result.balancedness_before, result.balancedness_after, true);
  add("balancedness, worst layer", result.worst_before, result.worst_after, true);
  add("step time (1 is perfect)", result.step_time_before, result.step_time_after, false);
  table.AddRow({"  proven lower bound", "", Fixed(result.lower_bound_step_time, 4)});
  table.AddRow({"  gap to it", "", Percent(result.step_time_after / result.lower_bound_step_time - 1)});
  table.AddRow({"twins", Grouped(result.twins_before),
                Cell(Grouped(result.twins_after), Compare(result.twins_before, result.twins_after, false))});
  const double all_slots = static_cast<double>(topology.num_slots()) * result.placement.num_layers();
  table.AddRow({"fetches", "", Grouped(result.fetches)});
  table.AddRow({"  of all slots", "", Percent(result.fetches / all_slots)});
  if (task.has_current) {
    table.AddRow({"transfers", "", Grouped(static_cast<long long>(result.transfers.size()))});
    table.AddRow({"  in steps", "", Grouped(TransferSteps(result.transfers))});
  }
  if (result.gate) {
    table.AddRow({"predicted gain, GPU-seconds", "", Fixed(result.gate->gain_gpu_seconds, 1)});
    table.AddRow({"cost of the transfers, GPU-seconds", "", Fixed(result.gate->cost_gpu_seconds, 1)});
  }
  return out + table.Format(colour);
}

}  // namespace eplb
