#ifndef EPLB_TESTS_SUPPORT_SCRIPTED_PLANNER_H_
#define EPLB_TESTS_SUPPORT_SCRIPTED_PLANNER_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "server/model/contiguous_placement.h"
#include "server/planner/coalesced_transfers.h"
#include "server/planner/tick_planner.h"

namespace eplb::testing {

// Plans some other valid placement each time, the contiguous one turned by `turns` within each layer, so that a loop
// always has something to publish; or nothing, where told so. Gives up where its input says so. Thread-safe.
class ScriptedPlanner final : public TickPlanner {
 public:
  absl::StatusOr<TickPlan> Plan(const TickInput& input) const override {
    if (input.stop && input.stop()) return absl::CancelledError("given up");
    const int plans = ++plans_;
    double tokens = 0;
    for (const double load : input.history.back().layer(0)) tokens += load;
    newest_tokens_ = tokens;
    const Topology& topology = *input.topology;
    const Placement& current = *input.current;
    std::vector<std::int32_t> cells;
    std::vector<int> usable;
    for (int slot = 0; slot < topology.num_slots(); ++slot) {
      if (!topology.excluded(topology.gpu_of_slot(slot))) usable.push_back(slot);
    }
    if (static_cast<int>(usable.size()) < current.num_experts()) return absl::FailedPreconditionError("too few slots");
    for (int layer = 0; layer < current.num_layers(); ++layer) {
      std::vector<std::int32_t> slots(static_cast<std::size_t>(topology.num_slots()), kEmptySlot);
      for (std::size_t i = 0; i < usable.size(); ++i) {
        slots[static_cast<std::size_t>(usable[i])] = static_cast<std::int32_t>(
            (i + static_cast<std::size_t>(plans + layer)) % static_cast<std::size_t>(current.num_experts()));
      }
      cells.insert(cells.end(), slots.begin(), slots.end());
    }
    if (changes_nothing || only_shares)
      cells.assign(current.physical_to_logical().begin(), current.physical_to_logical().end());
    Placement placement =
        *Placement::Create(current.num_layers(), current.num_experts(), current.num_slots(), std::move(cells));
    TopologyOptions hardware{.num_gpus = topology.num_gpus(), .num_slots = topology.num_slots()};
    const auto transfers = CoalescedTransfers(current, placement, hardware, 0);
    TickPlan plan{.plan = RebalancePlan{.placement = std::move(placement),
                                        .policy = Policy::kGlobal,
                                        .layers = {},
                                        .transfers = transfers == nullptr ? std::vector<Transfer>{} : *transfers}};
    plan.predicted_step_time = 1.1;
    shares_told_ = static_cast<int>(input.current_shares.size());
    budget_told_ = input.settings.budget.total.value_or(-1);
    usual_told_ = static_cast<int>(input.usual_fetches.value_or(-1));
    if (only_shares) {
      plan.only_shares = true;
      plan.slot_shares = std::make_shared<const std::vector<double>>(current.physical_to_logical().size(), 0.5);
      plan.plan.transfers.clear();
    }
    return plan;
  }

  int plans() const { return plans_; }
  // In the first layer of the newest sub-window that was planned from.
  double newest_tokens() const { return newest_tokens_; }
  // Shares in force that the last plan was told, one for each slot of each layer.
  int shares_told() const { return shares_told_; }
  // Fetches that the last plan was allowed in all, and usually; -1: no limit.
  int budget_told() const { return budget_told_; }
  int usual_told() const { return usual_told_; }
  std::atomic<bool> changes_nothing{false};
  std::atomic<bool> only_shares{false};  // the placement stays, its shares are new

 private:
  mutable std::atomic<int> plans_{0};
  mutable std::atomic<int> shares_told_{0};
  mutable std::atomic<int> budget_told_{0};
  mutable std::atomic<int> usual_told_{0};
  mutable std::atomic<double> newest_tokens_{0};
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_SCRIPTED_PLANNER_H_
