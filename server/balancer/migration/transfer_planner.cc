#include "server/balancer/migration/transfer_planner.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/index.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// How far a transfer travels: 0 within a GPU, 1 within a node, 2 between nodes.
int Distance(const Topology& topology, int gpu, int other_gpu) {
  if (gpu == other_gpu) return 0;
  return topology.node_of_gpu(gpu) == topology.node_of_gpu(other_gpu) ? 1 : 2;
}

int SmallestLimit(const TransferLimits& limits) {
  int smallest = 0;
  for (const int limit : {limits.max_staged_per_gpu, limits.max_sent_per_gpu, limits.max_received_per_gpu}) {
    if (limit > 0 && (smallest == 0 || limit < smallest)) smallest = limit;
  }
  return smallest;
}

absl::Status CheckTransferProblem(const Placement& from, const Placement& to, const Topology& topology,
                                  const TransferOptions& options) {
  FieldErrors errors;
  const auto equal = [&](std::string_view what, int value, int expected) {
    if (value == expected) return;
    errors.Add("placement", absl::StrCat(value, " ", std::string(what)), absl::StrCat("must be ", expected));
  };
  equal("layers", to.num_layers(), from.num_layers());
  equal("experts", to.num_experts(), from.num_experts());
  equal("slots", to.num_slots(), topology.num_slots());
  equal("slots", from.num_slots(), topology.num_slots());
  const auto at_least = [&](std::string_view field, int value, int low) {
    if (value < low) errors.Add(field, absl::StrCat(value), absl::StrCat("must be at least ", low));
  };
  at_least("min_replicas", options.min_replicas, 1);
  at_least("limits.max_staged_per_gpu", options.limits.max_staged_per_gpu, 0);
  at_least("limits.max_sent_per_gpu", options.limits.max_sent_per_gpu, 0);
  at_least("limits.max_received_per_gpu", options.limits.max_received_per_gpu, 0);
  if (!errors.empty()) return errors.ToStatus();
  for (int layer = 0; layer < to.num_layers(); ++layer) {
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      const std::int32_t expert = to.layer(layer)[Index(slot)];
      if (expert == kEmptySlot || !topology.excluded(topology.gpu_of_slot(slot))) continue;
      errors.Add(absl::StrCat("placement.layers[", layer, "].physical_to_logical[", slot, "]"), absl::StrCat(expert),
                 absl::StrCat("must be empty: GPU ", topology.gpu_of_slot(slot), " is excluded"));
    }
  }
  return errors.ToStatus();
}

}  // namespace

LayerTransfers::LayerTransfers(const Topology& topology, int num_experts, const TransferOptions& options)
    : topology_(topology),
      options_(options),
      max_per_gpu_(SmallestLimit(options.limits)),
      step_order_(num_experts),
      cutter_(topology),
      spare_(Index(num_experts)),
      kept_(Index(num_experts)),
      holders_(Index(num_experts)),
      sent_(Index(topology.num_gpus()), 0) {}

absl::Status LayerTransfers::Run(int layer, std::span<const std::int32_t> from, std::span<const std::int32_t> to,
                                 std::vector<Transfer>& transfers, std::int32_t& next_step) {
  EPLB_CHECK(from.size() == Index(topology_.num_slots()) && to.size() == from.size());
  if (std::ranges::equal(from, to)) return absl::OkStatus();
  FindWrites(from, to);
  transfers_ = &transfers;
  next_step_ = next_step;
  step_order_.Run(writes_, spare_);
  const std::span<const std::int32_t> first_of_step = step_order_.first_of_step();
  for (std::size_t step = 0; step + 1 < first_of_step.size(); ++step) {
    const std::span<const std::int32_t> writes =
        step_order_.order().subspan(Index(first_of_step[step]), Index(first_of_step[step + 1] - first_of_step[step]));
    if (writes.size() == 1) {
      const std::int32_t slot = write_slots_[Index(writes[0])];
      const std::int32_t expert = writes_[Index(writes[0])].gains;
      step_.assign(1, {.expert = expert, .source_slot = NearestHolder(slot, expert), .target_slot = slot});
      EmitStep(layer);
    } else {
      EPLB_RETURN_IF_ERROR(EmitCycle(layer, writes));
    }
  }
  next_step = next_step_;
  return absl::OkStatus();
}

void LayerTransfers::FindWrites(std::span<const std::int32_t> from, std::span<const std::int32_t> to) {
  writes_.clear();
  write_slots_.clear();
  content_.assign(from.begin(), from.end());
  for (std::vector<std::int32_t>& slots : holders_) slots.clear();
  std::ranges::fill(spare_, 0);
  std::ranges::fill(kept_, 0);
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    const std::int32_t old_expert = from[Index(slot)];
    const std::int32_t new_expert = to[Index(slot)];
    const int gpu = topology_.gpu_of_slot(slot);
    if (old_expert != kEmptySlot && topology_.can_send(gpu)) holders_[Index(old_expert)].push_back(slot);
    if (topology_.excluded(gpu)) continue;
    if (old_expert != kEmptySlot) ++spare_[Index(old_expert)];
    if (new_expert == kEmptySlot) continue;
    ++kept_[Index(new_expert)];
    if (new_expert == old_expert) continue;
    writes_.push_back({.loses = old_expert, .gains = new_expert});
    write_slots_.push_back(slot);
  }
  for (std::size_t expert = 0; expert < spare_.size(); ++expert) {
    spare_[expert] -= std::min({options_.min_replicas, spare_[expert], kept_[expert]});
  }
}

absl::Status LayerTransfers::EmitCycle(int layer, std::span<const std::int32_t> writes) {
  cycle_.clear();
  for (const std::int32_t write : writes) cycle_.push_back(write_slots_[Index(write)]);
  if (!cutter_.Run(cycle_, max_per_gpu_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "layer ", layer, ": ", cycle_.size(), " experts without a replica to spare change places within GPU ",
        topology_.gpu_of_slot(cycle_[0]), ", which cannot be done with at most ", max_per_gpu_,
        " of them staged, sent or received at once; give experts that stay on a GPU the slot they have"));
  }
  const std::span<const std::int32_t> first_of_step = cutter_.first_of_step();
  for (std::size_t step = 0; step + 1 < first_of_step.size(); ++step) {
    const auto part =
        cutter_.writes().subspan(Index(first_of_step[step]), Index(first_of_step[step + 1] - first_of_step[step]));
    step_.clear();
    for (const CycleCutter::SlotWrite& write : part) {
      const std::int32_t expert = content_[Index(write.source_slot)];
      const std::int32_t source = max_per_gpu_ == 0 ? NearestHolder(write.target_slot, expert) : write.source_slot;
      step_.push_back({.expert = expert, .source_slot = source, .target_slot = write.target_slot});
    }
    EmitStep(layer);
  }
  return absl::OkStatus();
}

std::int32_t LayerTransfers::NearestHolder(std::int32_t slot, std::int32_t expert) const {
  const std::vector<std::int32_t>& holders = holders_[Index(expert)];
  if (holders.empty()) return kEmptySlot;
  const int gpu = topology_.gpu_of_slot(slot);
  return *std::ranges::min_element(holders, {}, [&](std::int32_t holder) {
    const int holder_gpu = topology_.gpu_of_slot(holder);
    return std::tuple(Distance(topology_, gpu, holder_gpu), sent_[Index(holder_gpu)], holder);
  });
}

void LayerTransfers::EmitStep(int layer) {
  for (const SlotTransfer& transfer : step_) {
    transfers_->push_back({.layer = layer,
                           .expert = transfer.expert,
                           .source_slot = transfer.source_slot,
                           .target_slot = transfer.target_slot,
                           .step = next_step_});
    if (transfer.source_slot == kEmptySlot) continue;
    const int source_gpu = topology_.gpu_of_slot(transfer.source_slot);
    if (source_gpu != topology_.gpu_of_slot(transfer.target_slot)) ++sent_[Index(source_gpu)];
  }
  for (const SlotTransfer& transfer : step_) {
    const std::int32_t lost = std::exchange(content_[Index(transfer.target_slot)], transfer.expert);
    if (lost != kEmptySlot) std::erase(holders_[Index(lost)], transfer.target_slot);
    holders_[Index(transfer.expert)].push_back(transfer.target_slot);
  }
  ++next_step_;
}

absl::StatusOr<std::vector<Transfer>> PlanTransfers(const Placement& from, const Placement& to,
                                                    const Topology& topology, const TransferOptions& options) {
  EPLB_RETURN_IF_ERROR(CheckTransferProblem(from, to, topology, options));
  LayerTransfers layer_transfers(topology, from.num_experts(), options);
  std::vector<Transfer> transfers;
  std::int32_t next_step = 0;
  for (int layer = 0; layer < from.num_layers(); ++layer) {
    EPLB_RETURN_IF_ERROR(layer_transfers.Run(layer, from.layer(layer), to.layer(layer), transfers, next_step));
  }
  return transfers;
}

TransferCounts CountTransfers(std::span<const Transfer> transfers, const Topology& topology) {
  TransferCounts counts;
  for (const Transfer& transfer : transfers) {
    ++counts.transfers;
    if (transfer.source_slot == kEmptySlot) {
      ++counts.no_source;
      continue;
    }
    const int distance =
        Distance(topology, topology.gpu_of_slot(transfer.source_slot), topology.gpu_of_slot(transfer.target_slot));
    ++(distance == 0 ? counts.within_gpu : distance == 1 ? counts.within_node : counts.across_nodes);
  }
  return counts;
}

}  // namespace eplb
