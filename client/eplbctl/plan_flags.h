#ifndef EPLB_CLIENT_EPLBCTL_PLAN_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_PLAN_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/balancer/balancer.h"
#include "server/model/constraints.h"

namespace eplb {

// --policy, --work-limit, the move budgets, and the rules of a placement.
class PlanFlags {
 public:
  // Adds all flags. `budget_note` follows the help of each budget, as in " (needs --current)".
  void AddTo(CLI::App& app, const std::string& budget_note);

  // The same but for the budgets, where there is no placement to start from.
  void AddWithoutBudgetTo(CLI::App& app);

  // --slot-budgets, --move-local-slots and --max-transfers-per-gpu, besides: what only one plan for given layers has.
  void AddLayoutTo(CLI::App& app);

  // INVALID_ARGUMENT where --work-limit is given with a policy that searches nothing, which would ignore it. Where
  // plans are asked for by a request, what reads that refuses it.
  absl::Status CheckWorkLimit() const;

  RebalanceOptions Options() const;
  // num_layers: a single number in --slot-budgets counts for each of them.
  PlacementConstraints Constraints(int num_layers = 0) const;

 private:
  void AddPolicyTo(CLI::App& app);
  void AddBudgetTo(CLI::App& app, const std::string& note);
  void AddRulesTo(CLI::App& app);

  std::string policy_ = "auto";
  std::int64_t work_limit_ = 0;
  std::int64_t bytes_per_expert_ = 0;
  std::optional<int> moves_per_layer_;
  std::optional<int> moves_total_;
  std::optional<std::int64_t> move_bytes_;
  int min_replicas_ = 1;
  int min_nodes_ = 1;
  bool honour_groups_ = false;
  std::vector<int> slot_budgets_;
  bool move_local_slots_ = false;
  int max_transfers_per_gpu_ = 0;  // 0: not given
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_PLAN_FLAGS_H_
