#include "client/eplbctl/plan_flags.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/flag_checks.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr int kMaxMoves = std::numeric_limits<int>::max();
constexpr std::int64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();

}  // namespace

void PlanFlags::AddTo(CLI::App& app, const std::string& budget_note) {
  AddPolicyTo(app);
  AddBudgetTo(app, budget_note);
  AddRulesTo(app);
}

void PlanFlags::AddWithoutBudgetTo(CLI::App& app) {
  AddPolicyTo(app);
  AddRulesTo(app);
}

void PlanFlags::AddPolicyTo(CLI::App& app) {
  app.add_option("--policy", policy_, "How to plan")
      ->check(CLI::IsMember({"auto", "hierarchical", "global", "optimized"}).description(""))
      ->type_name("auto|hierarchical|global|optimized")
      ->capture_default_str()
      ->group("Plan");
  app.add_option("--work-limit", work_limit_,
                 "Most moves evaluated in each layer by policy optimized, 0 for its own limit")
      ->type_name("N")
      ->check(InRange(std::int64_t{0}, kMaxBytes))
      ->group("Plan");
}

void PlanFlags::AddBudgetTo(CLI::App& app, const std::string& note) {
  app.add_option("--moves-per-layer", moves_per_layer_, "Most experts that GPUs fetch in each layer" + note)
      ->type_name("N")
      ->check(InRange(0, kMaxMoves))
      ->group("Plan");
  app.add_option("--moves-total", moves_total_, "Most experts that GPUs fetch over all layers" + note)
      ->type_name("N")
      ->check(InRange(0, kMaxMoves))
      ->group("Plan");
  app.add_option("--move-bytes", move_bytes_, "Most bytes that GPUs fetch, at --bytes-per-expert each" + note)
      ->type_name("N")
      ->check(InRange(std::int64_t{0}, kMaxBytes))
      ->group("Plan");
  app.add_option("--bytes-per-expert", bytes_per_expert_, "Weights of one expert in one layer")
      ->type_name("N")
      ->check(InRange(std::int64_t{1}, kMaxBytesPerExpert))
      ->group("Plan");
}

void PlanFlags::AddRulesTo(CLI::App& app) {
  app.add_flag("--honour-groups", honour_groups_, "Keep the experts of a group on one node (policy optimized)")
      ->group("Plan");
  app.add_option("--min-replicas", min_replicas_, "Least replicas of every expert [1]")
      ->type_name("N")
      ->check(InRange(1, kMaxSlots))
      ->group("Plan");
  app.add_option("--min-nodes", min_nodes_, "Least nodes that hold every expert; 2 survives the loss of a node [1]")
      ->type_name("N")
      ->check(InRange(1, kMaxGpus))
      ->group("Plan");
}

void PlanFlags::AddLayoutTo(CLI::App& app) {
  app.add_option(
         "--slot-budgets", slot_budgets_,
         "Most slots used in each layer, as in 280,288,...; the rest stay empty. One number counts for all [all "
         "slots]")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(InRange(1, kMaxSlots))
      ->group("Plan");
  app.add_flag("--move-local-slots", move_local_slots_, "Experts that stay on their GPU need not keep their slot there")
      ->group("Plan");
  app.add_option("--max-transfers-per-gpu", max_transfers_per_gpu_,
                 "Most experts that one GPU stages, sends or receives in one step of the transfers [the server's, 1]")
      ->type_name("N")
      ->check(InRange(1, kMaxSlots))
      ->group("Plan");
}

absl::Status PlanFlags::CheckWorkLimit() const {
  const Policy policy = *PolicyFromName(policy_);
  if (work_limit_ == 0 || !IsReference(policy)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--work-limit: ", work_limit_, ": needs the optimized policy: ",
                                                 std::string(PolicyName(policy)), " searches nothing"));
}

RebalanceOptions PlanFlags::Options() const {
  return RebalanceOptions{.policy = *PolicyFromName(policy_),
                          .work_limit = work_limit_,
                          .budget = {.per_layer = moves_per_layer_, .total = moves_total_, .bytes = move_bytes_},
                          .bytes_per_expert = bytes_per_expert_,
                          .max_transfers_per_gpu = max_transfers_per_gpu_};
}

PlacementConstraints PlanFlags::Constraints(int num_layers) const {
  PlacementConstraints constraints{.min_replicas = min_replicas_,
                                   .min_nodes_per_expert = min_nodes_,
                                   .honour_groups = honour_groups_,
                                   .stable_local_slots = !move_local_slots_,
                                   .slot_budget_per_layer = slot_budgets_};
  if (slot_budgets_.size() == 1) {
    constraints.slot_budget_per_layer.assign(static_cast<std::size_t>(num_layers), slot_budgets_.front());
  }
  return constraints;
}

}  // namespace eplb
