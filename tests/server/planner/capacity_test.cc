#include "server/planner/capacity.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/balancer/balancer.h"
#include "server/base/field_errors.h"
#include "tests/support/random_problem.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Balancedness grows by slots / 1000, but for a dent: sizes in `dents` fall short by 0.1.
CapacityEvaluator Ramp(std::vector<int> dents = {}) {
  return [dents](const CapacityCandidate& candidate) -> absl::StatusOr<CapacityOutcome> {
    const double dent = std::ranges::count(dents, candidate.num_slots) > 0 ? 0.1 : 0;
    const double balancedness = std::min(1.0, candidate.num_slots / 1000.0) - dent;
    return CapacityOutcome{.mean_balancedness = balancedness,
                           .worst_balancedness = balancedness / 2,
                           .step_time = 1 / balancedness,
                           .bound_step_time = 1};
  };
}

TEST(SlotCandidates, GoUpInSteps) {
  EXPECT_THAT(SlotCandidates(8, 256, 280, 8), ElementsAre(CapacityCandidate{256, 8}, CapacityCandidate{264, 8},
                                                          CapacityCandidate{272, 8}, CapacityCandidate{280, 8}));
}

TEST(GpuCandidates, HoldAllExperts) {
  EXPECT_THAT(GpuCandidates(256, 9, 24, 32, 4), ElementsAre(CapacityCandidate{288, 32}));
}

TEST(PlanCapacity, FindsTheSmallestFleetThatMeetsEachTarget) {
  const std::vector<CapacityCandidate> candidates = SlotCandidates(4, 100, 1000, 1);
  EXPECT_EQ(PlanCapacity(candidates, {.target = {.mean_balancedness = 0.7}}, Ramp())->answer->candidate.num_slots, 700);
  EXPECT_EQ(PlanCapacity(candidates, {.target = {.worst_balancedness = 0.4}}, Ramp())->answer->candidate.num_slots,
            800);
  EXPECT_EQ(PlanCapacity(candidates, {.target = {.step_time = 2}}, Ramp())->answer->candidate.num_slots, 500);
  EXPECT_EQ(PlanCapacity(candidates, {.target = {.mean_balancedness = 0.7, .worst_balancedness = 0.4}}, Ramp())
                ->answer->candidate.num_slots,
            800);
}

TEST(PlanCapacity, CurveIsInOrderAndSpansTheRange) {
  const CapacityPlan plan =
      *PlanCapacity(SlotCandidates(4, 100, 1000, 1), {.target = {.mean_balancedness = 0.7}}, Ramp());
  EXPECT_EQ(plan.curve.front().candidate.num_slots, 100);
  EXPECT_EQ(plan.curve.back().candidate.num_slots, 1000);
  EXPECT_LT(plan.curve.size(), 25u);
  for (std::size_t i = 1; i < plan.curve.size(); ++i) {
    EXPECT_LT(plan.curve[i - 1].candidate.num_slots, plan.curve[i].candidate.num_slots);
  }
}

TEST(PlanCapacity, SeesPastADentJustBelowTheAnswer) {
  const std::vector<CapacityCandidate> candidates = SlotCandidates(4, 100, 1000, 1);
  const CapacityOptions options{.target = {.mean_balancedness = 0.7}, .verified_below = 3};
  EXPECT_EQ(PlanCapacity(candidates, options, Ramp({701, 702}))->answer->candidate.num_slots, 700);
}

TEST(PlanCapacity, TargetMetBySmallestOrByNone) {
  const std::vector<CapacityCandidate> candidates = SlotCandidates(4, 100, 900, 100);
  EXPECT_EQ(PlanCapacity(candidates, {.target = {.mean_balancedness = 0.05}}, Ramp())->answer->candidate.num_slots,
            100);
  EXPECT_FALSE(PlanCapacity(candidates, {.target = {.mean_balancedness = 0.95}}, Ramp())->answer.has_value());
}

TEST(PlanCapacity, NamesWhatMakesNoSense) {
  const absl::Status status =
      PlanCapacity({}, {.target = {.mean_balancedness = 1.5, .step_time = 0.5}, .curve_points = 1}, Ramp()).status();
  EXPECT_EQ(FieldErrorsOf(status).size(), 4u) << status;
  EXPECT_THAT(std::string(PlanCapacity(SlotCandidates(1, 1, 1, 1), {}, Ramp()).status().message()),
              HasSubstr("must state a balancedness or a step time"));
}

TEST(PlanCapacity, ErrorsOfTheEvaluatorComeBack) {
  const auto fails = [](const CapacityCandidate&) -> absl::StatusOr<CapacityOutcome> {
    return absl::FailedPreconditionError("no");
  };
  EXPECT_EQ(PlanCapacity(SlotCandidates(1, 1, 9, 1), {.target = {.step_time = 2}}, fails).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(PlanCapacity, SizesThatCannotHoldWhatIsAskedForFallShort) {
  const auto evaluate = [ramp = Ramp()](const CapacityCandidate& candidate) -> absl::StatusOr<CapacityOutcome> {
    if (candidate.num_slots < 560) return absl::FailedPreconditionError("no room for two replicas of each");
    return ramp(candidate);
  };
  const CapacityPlan plan =
      PlanCapacity(SlotCandidates(4, 100, 1000, 1), {.target = {.mean_balancedness = 0.2}}, evaluate).value();
  EXPECT_EQ(plan.answer->candidate.num_slots, 560);
  EXPECT_EQ(plan.curve.front().candidate.num_slots, 560);
}

TEST(PlanCapacity, RedundantSlotsBuyBalanceWithTheRealPlanner) {
  testing::RandomProblems random(81);
  const LoadSample sample{.loads = random.Loads(2, 32)};
  const auto evaluate = [&](const CapacityCandidate& candidate) -> absl::StatusOr<CapacityOutcome> {
    const auto topology = Topology::Create({.num_gpus = candidate.num_gpus, .num_slots = candidate.num_slots});
    const auto plan = PlanRebalance({.topology = &*topology, .samples = {&sample, 1}}, {}, SerialFor());
    if (!plan.ok()) return plan.status();
    return CapacityOutcome{.mean_balancedness = plan->balancedness_after(),
                           .worst_balancedness = plan->worst_balancedness_after(),
                           .step_time = plan->step_time_after(),
                           .bound_step_time = plan->lower_bound_step_time()};
  };
  const CapacityPlan plan =
      *PlanCapacity(SlotCandidates(8, 32, 128, 8), {.target = {.mean_balancedness = 0.95}}, evaluate);
  ASSERT_TRUE(plan.answer.has_value());
  EXPECT_GE(plan.answer->outcome.mean_balancedness, 0.95);
  for (const CapacityPoint& point : plan.curve)
    EXPECT_GE(point.outcome.step_time, point.outcome.bound_step_time - 1e-9);
}

}  // namespace
}  // namespace eplb
