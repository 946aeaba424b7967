#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/capacity_result.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/load_flags.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/plan_flags.h"
#include "client/eplbctl/thread_flags.h"
#include "server/balancer/balancer.h"
#include "server/base/status_macros.h"
#include "server/base/thread_team.h"
#include "server/model/limits.h"
#include "server/planner/capacity.h"

namespace eplb {
namespace {

constexpr char kCapacityFooter[] =
    "Examples:\n"
    "  eplbctl plan-capacity --loads loads.csv --gpus 32 --target-balancedness 0.98\n"
    "  eplbctl plan-capacity --loads loads.csv --gpus 32 --target-step-time 1.02 --max-slots 320\n"
    "  eplbctl plan-capacity --loads loads.csv --slots-per-gpu 9 --max-gpus 96 --target-balancedness 0.98\n\n"
    "With --gpus: the fewest slots on that many GPUs. With --slots-per-gpu: the fewest GPUs with that many slots "
    "each.\n"
    "Every size that was tried is shown, as a curve. Plans are found by search, so that quality does not rise quite\n"
    "evenly with size. Exits with 1 where no size within the bounds meets the target.\n\n"
    "JSON keys: answer {slots, gpus, redundant_slots, balancedness, worst_balancedness, step_time,\n"
    "lower_bound_step_time, meets_target} or null, curve [the same].";

struct CapacityFlags {
  LoadFlags loads;
  PlanFlags plan;
  int gpus = 0;           // 0: searched for
  int slots_per_gpu = 0;  // 0: searched for
  int nodes = 1;
  int groups = 1;
  int max_slots = 0;  // 0: twice the experts, and at least two slots per GPU more than they need
  int max_gpus = 0;   // 0: four times what the experts need
  bool any_slots = false;
  CapacityTarget target;
  ThreadFlags threads;
  OutputFlags output;
};

int RoundUp(int value, int step) { return (value + step - 1) / step * step; }

absl::StatusOr<std::vector<CapacityCandidate>> Candidates(const CapacityFlags& flags, int num_experts) {
  if ((flags.gpus == 0) == (flags.slots_per_gpu == 0)) {
    return absl::InvalidArgumentError("exactly one of --gpus and --slots-per-gpu is required");
  }
  if (flags.gpus > 0) {
    const int step = flags.any_slots ? 1 : flags.gpus;
    const int least = RoundUp(num_experts, step);
    const int most =
        flags.max_slots > 0 ? flags.max_slots : std::min(kMaxSlots, std::max(2 * num_experts, least + 2 * step));
    if (most < least) {
      return absl::InvalidArgumentError(absl::StrCat("--max-slots: ", most, ": must be at least ", least));
    }
    return SlotCandidates(flags.gpus, least, most, step);
  }
  const int least = RoundUp(num_experts, flags.slots_per_gpu) / flags.slots_per_gpu;
  const int most =
      std::min({flags.max_gpus > 0 ? flags.max_gpus : 4 * least, kMaxGpus, kMaxSlots / flags.slots_per_gpu});
  if (most < least) {
    return absl::InvalidArgumentError(absl::StrCat("--max-gpus: ", most, ": must be at least ", least));
  }
  return GpuCandidates(num_experts, flags.slots_per_gpu, least, most, 1);
}

// What a plan from nothing reaches on a fleet of one size.
absl::StatusOr<CapacityOutcome> Evaluate(const CapacityFlags& flags, const LoadSelection& selection,
                                         const ParallelFor& parallel, const CapacityCandidate& candidate) {
  EPLB_ASSIGN_OR_RETURN(const Topology topology,
                        Topology::Create({.num_gpus = candidate.num_gpus,
                                          .num_nodes = std::min(flags.nodes, candidate.num_gpus),
                                          .num_groups = flags.groups,
                                          .num_slots = candidate.num_slots}));
  const RebalanceProblem problem{
      .topology = &topology, .samples = selection.samples, .current = nullptr, .constraints = flags.plan.Constraints()};
  EPLB_ASSIGN_OR_RETURN(const RebalancePlan plan, PlanRebalance(problem, flags.plan.Options(), parallel));
  return CapacityOutcome{.mean_balancedness = plan.balancedness_after(),
                         .worst_balancedness = plan.worst_balancedness_after(),
                         .step_time = plan.step_time_after(),
                         .bound_step_time = plan.lower_bound_step_time()};
}

absl::Status RunCapacity(const CapacityFlags& flags) {
  EPLB_RETURN_IF_ERROR(flags.plan.CheckWorkLimit());
  const CapacityTarget& target = flags.target;
  if (!target.mean_balancedness && !target.worst_balancedness && !target.step_time) {
    return absl::InvalidArgumentError(
        "one of --target-balancedness, --target-worst-balancedness and --target-step-time is required");
  }
  EPLB_ASSIGN_OR_RETURN(const LoadSelection selection, flags.loads.Read());
  const int num_experts = selection.samples.front().loads.num_experts();
  EPLB_ASSIGN_OR_RETURN(const std::vector<CapacityCandidate> candidates, Candidates(flags, num_experts));
  const std::unique_ptr<ThreadTeam> team = flags.threads.NewTeam();
  EPLB_ASSIGN_OR_RETURN(const CapacityPlan plan,
                        PlanCapacity(candidates, {.target = target}, [&](const CapacityCandidate& candidate) {
                          return Evaluate(flags, selection, *team, candidate);
                        }));
  EPLB_RETURN_IF_ERROR(
      flags.output.Write([&](bool colour) { return CapacityTable(selection.description, num_experts, plan, colour); },
                         [&] { return CapacityJson(num_experts, plan); }));
  if (plan.answer) return absl::OkStatus();
  return absl::FailedPreconditionError("no fleet within the bounds meets the target");
}

void AddTargets(CLI::App& app, CapacityTarget& target) {
  app.add_option("--target-balancedness", target.mean_balancedness, "Least mean balancedness of the layers")
      ->type_name("RATIO")
      ->check(InRange(1e-6, 1.0))
      ->group("Target");
  app.add_option("--target-worst-balancedness", target.worst_balancedness, "Least balancedness of any layer")
      ->type_name("RATIO")
      ->check(InRange(1e-6, 1.0))
      ->group("Target");
  app.add_option("--target-step-time", target.step_time, "Highest step time; 1 is perfect")
      ->type_name("RATIO")
      ->check(InRange(1.0, 1e6))
      ->group("Target");
}

void AddFleet(CLI::App& app, CapacityFlags& flags) {
  const auto add = [&](const char* name, int& value, const char* help, int high) {
    return app.add_option(name, value, help)->type_name("N")->check(InRange(1, high))->group("Fleet");
  };
  add("--gpus", flags.gpus, "GPUs: look for the fewest slots", kMaxGpus);
  add("--slots-per-gpu", flags.slots_per_gpu, "Slots of each GPU: look for the fewest GPUs", kMaxSlots);
  add("--nodes", flags.nodes, "Server nodes [1]", kMaxGpus);
  add("--groups", flags.groups, "Expert groups of the model's router [1]", kMaxExperts);
  add("--max-slots", flags.max_slots, "Most slots to try [twice the experts]", kMaxSlots);
  add("--max-gpus", flags.max_gpus, "Most GPUs to try [four times what the experts need]", kMaxGpus);
  app.add_flag("--any-slots", flags.any_slots, "Try slots that are no multiple of the GPUs too")->group("Fleet");
}

}  // namespace

Command AddCapacityCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("plan-capacity", "Say how large a fleet a target balance needs");
  app->footer(kCapacityFooter);
  const auto flags = std::make_shared<CapacityFlags>();
  flags->loads.AddTo(*app);
  AddFleet(*app, *flags);
  AddTargets(*app, flags->target);
  flags->plan.AddWithoutBudgetTo(*app);
  flags->threads.AddTo(*app);
  flags->output.AddTo(*app);
  return {.app = app, .run = [flags] { return RunCapacity(*flags); }};
}

}  // namespace eplb
