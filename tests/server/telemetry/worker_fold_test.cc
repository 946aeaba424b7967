#include "server/telemetry/worker_fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/model/contiguous_placement.h"
#include "server/telemetry/load_history.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr absl::Duration kInterval = absl::Seconds(5);

TEST(SequenceTrackerTest, TellsNewLateAndDuplicateApartAndCountsGaps) {
  using Arrival = SequenceTracker::Arrival;
  SequenceTracker tracker;
  EXPECT_EQ(tracker.Take(500), Arrival::kNew) << "the service met the worker in mid-life";
  EXPECT_EQ(tracker.lost(), 0U);
  EXPECT_EQ(tracker.Take(503), Arrival::kNew);
  EXPECT_EQ(tracker.lost(), 2U);
  EXPECT_EQ(tracker.Take(503), Arrival::kDuplicate);
  EXPECT_EQ(tracker.Take(502), Arrival::kNew) << "out of order, in the same sub-window";
  EXPECT_EQ(tracker.lost(), 1U);
  tracker.CloseSubWindow();
  EXPECT_EQ(tracker.Take(501), Arrival::kLate);
  EXPECT_EQ(tracker.lost(), 0U);
  EXPECT_EQ(tracker.Take(400), Arrival::kDuplicate) << "too far back to tell";
  EXPECT_EQ(tracker.Take(5000), Arrival::kNew);
  EXPECT_EQ(tracker.Take(4999), Arrival::kNew);
  EXPECT_EQ(tracker.highest(), 5000U);
}

TEST(SequenceTrackerTest, BelievesOnlySoMuchOfOneGap) {
  SequenceTracker tracker;
  tracker.Take(1);
  tracker.Take(~std::uint64_t{0});
  EXPECT_EQ(tracker.lost(), SequenceTracker::kMostLostAtOnce);
}

TEST(WindowScaleTest, LongWindowsCountByTheirTrueLengthAndShortOnesUpToABound) {
  EXPECT_EQ(WindowScale(absl::Seconds(1), absl::Seconds(1)), 1.0);
  EXPECT_DOUBLE_EQ(WindowScale(absl::Seconds(1), absl::Seconds(60)), 1.0 / 60) << "after an overload that has ended";
  EXPECT_EQ(WindowScale(absl::Seconds(60), absl::Seconds(1)), kMaxWindowScale);
}

// Two layers, two experts; one worker of one rank with two slots, of a topology with two.
class WorkerFoldTest : public ::testing::Test {
 protected:
  WorkerFoldTest() { fold_.SetSlotMap(Map({}, {0, 1, 1, 0, 1, 0, 0, 1})); }

  std::shared_ptr<const SlotMap> Map(PlacementVersion version, std::vector<std::int32_t> cells) const {
    return std::make_shared<const SlotMap>(
        MakeSlotMap(version, *Placement::Create(2, 2, 4, std::move(cells)), topology_, 0, 1));
  }
  LoadReportView Slots(std::uint64_t sequence, const std::vector<std::uint64_t>& tokens) const {
    LoadReportView report;
    report.sequence = sequence;
    report.window = kInterval;
    report.slot_tokens = tokens;
    return report;
  }
  ReportOutcome Fold(const LoadReportView& report) {
    const auto result = fold_.Fold(report, absl::Seconds(1));
    EXPECT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->step, WorkerFold::Step::kDone);
    return result->outcome;
  }
  LoadSum Close(bool use_last = true) {
    LoadSum sum;
    std::array<int, kNumPhases> expert_workers{};
    fold_.Close(kInterval, use_last, expert_workers, sum);
    experts_.Close(kInterval, expert_workers, sum);
    return sum;
  }

  const Topology topology_ = *Topology::Create({.num_gpus = 2, .num_slots = 4});
  ExpertFold experts_{4};
  WorkerFold fold_{{.num_layers = 2, .num_experts = 2, .num_local_slots = 2}, experts_, 0};
  const std::vector<std::uint64_t> tokens_ = {1, 2, 3, 4};
};

TEST_F(WorkerFoldTest, SlotsBecomeExpertsByThePlacement) {
  Fold(Slots(1, tokens_));
  const LoadSum sum = Close();
  EXPECT_THAT(sum.tokens[0], ElementsAre(1, 2, 4, 3)) << "in layer 1 slot 0 holds expert 1";
  EXPECT_EQ(sum.reporting_workers, 1);
  EXPECT_THAT(sum.tokens[1], IsEmpty());
}

TEST_F(WorkerFoldTest, ReportsOfOneSubWindowAreScaledToTheInterval) {
  Fold(Slots(1, tokens_));
  Fold(Slots(2, tokens_));
  EXPECT_THAT(Close().tokens[0], ElementsAre(1, 2, 4, 3)) << "two windows of one interval each";
  LoadReportView half = Slots(3, tokens_);
  half.window = kInterval / 2;
  Fold(half);
  EXPECT_THAT(Close().tokens[0], ElementsAre(2, 4, 8, 6));
}

TEST_F(WorkerFoldTest, DuplicatesAndLateReportsAreAcknowledgedAndNotCounted) {
  Fold(Slots(1, tokens_));
  EXPECT_EQ(Fold(Slots(1, tokens_)), ReportOutcome::kDuplicate);
  Fold(Slots(3, tokens_));
  EXPECT_THAT(Close().tokens[0], ElementsAre(1, 2, 4, 3));
  EXPECT_EQ(Fold(Slots(2, tokens_)), ReportOutcome::kLate);
  EXPECT_EQ(Close(/*use_last=*/false).reporting_workers, 0);
  EXPECT_EQ(fold_.counters().acked_sequence, 3U);
  EXPECT_EQ(fold_.counters().lost, 0U);
}

TEST_F(WorkerFoldTest, ASilentWorkerIsTakenToHaveHadItsLastLoads) {
  Fold(Slots(1, tokens_));
  Close();
  const LoadSum silent = Close();
  EXPECT_THAT(silent.tokens[0], ElementsAre(1, 2, 4, 3));
  EXPECT_EQ(silent.reporting_workers, 0);
  EXPECT_THAT(Close(/*use_last=*/false).tokens[0], IsEmpty()) << "an expired one is not";
}

TEST_F(WorkerFoldTest, PhasesAreKeptApartAndASilentPhaseIsNoNews) {
  LoadReportView prefill = Slots(1, tokens_);
  prefill.phase = Phase::kPrefill;
  LoadReportView decode = Slots(2, tokens_);
  decode.phase = Phase::kDecode;
  Fold(prefill);
  Fold(decode);
  const LoadSum both = Close();
  EXPECT_THAT(both.tokens[1], ElementsAre(1, 2, 4, 3));
  EXPECT_THAT(both.tokens[2], ElementsAre(1, 2, 4, 3));
  decode.sequence = 3;
  Fold(decode);
  EXPECT_THAT(Close().tokens[1], IsEmpty()) << "it reported, and there was no prefill";
}

TEST_F(WorkerFoldTest, WarmUpIsCountedApart) {
  LoadReportView report = Slots(1, tokens_);
  report.warmup = true;
  EXPECT_EQ(Fold(report), ReportOutcome::kWarmup);
  EXPECT_EQ(Close().reporting_workers, 0);
  EXPECT_EQ(fold_.counters().warmup, 1U);

  WorkerFold fresh({.num_layers = 2, .num_experts = 2, .num_local_slots = 2}, experts_, 2);
  for (const std::uint64_t sequence : {1U, 2U}) {
    EXPECT_EQ(fresh.Fold(Slots(sequence, tokens_), kInterval)->outcome, ReportOutcome::kWarmup);
  }
  EXPECT_EQ(fresh.Fold(Slots(3, tokens_), kInterval)->step, WorkerFold::Step::kNeedsPlacement);
}

TEST_F(WorkerFoldTest, AnotherPlacementIsAskedForAndWhatWasCountedUnderTheFormerIsKept) {
  Fold(Slots(1, tokens_));
  const PlacementVersion next{.epoch = 1, .revision = 2};
  LoadReportView report = Slots(2, tokens_);
  report.placement = next;
  const auto asked = fold_.Fold(report, kInterval);
  EXPECT_EQ(asked->step, WorkerFold::Step::kNeedsPlacement);
  EXPECT_EQ(asked->version, next);
  fold_.SetSlotMap(Map(next, {1, 0, 0, 1, 0, 1, 1, 0}));
  EXPECT_EQ(Fold(report), ReportOutcome::kFolded);
  const LoadSum sum = Close();
  EXPECT_THAT(sum.tokens[0], ElementsAre(1 + 2 / 2.0, 2 + 1 / 2.0, 4 + 3 / 2.0, 3 + 4 / 2.0))
      << "the second report told of the second of two windows";
}

TEST_F(WorkerFoldTest, ReportsByExpertAddUpOverWorkers) {
  WorkerFold other({.num_layers = 2, .num_experts = 2, .num_local_slots = 2}, experts_, 0);
  LoadReportView report;
  report.sequence = 1;
  report.window = kInterval;
  report.expert_tokens = tokens_;
  report.expert_time = kInterval / 4;
  ASSERT_TRUE(other.Fold(report, kInterval).ok());
  Fold(report);
  LoadSum sum;
  std::array<int, kNumPhases> expert_workers{};
  fold_.Close(kInterval, true, expert_workers, sum);
  other.Close(kInterval, true, expert_workers, sum);
  experts_.Close(kInterval, expert_workers, sum);
  EXPECT_THAT(sum.tokens[0], ElementsAre(2, 4, 6, 8));
  EXPECT_EQ(sum.reporting_workers, 2);
  EXPECT_EQ(sum.expert_time / 2, kInterval / 4);
}

TEST_F(WorkerFoldTest, ReportsThatBreakARuleLeaveNothingBehind) {
  const std::vector<std::uint64_t> huge = {1, 2, kMaxReportTokens, 4};
  const std::vector<std::uint64_t> short_one = {1, 2, 3};
  std::vector<std::pair<std::string, LoadReportView>> bad;
  bad.emplace_back("report.sequence", Slots(0, tokens_));
  bad.emplace_back("report.slot_tokens[2]", Slots(1, huge));
  bad.emplace_back("report.slot_tokens", Slots(1, short_one));
  bad.emplace_back("report.window", Slots(1, tokens_));
  bad.back().second.window = absl::ZeroDuration();
  bad.emplace_back("report.expert_tokens", Slots(1, tokens_));
  bad.back().second.expert_tokens = tokens_;
  bad.emplace_back("report.expert_time", Slots(1, tokens_));
  bad.back().second.expert_time = -absl::Seconds(1);
  for (const auto& [field, report] : bad) {
    const auto result = fold_.Fold(report, kInterval);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(field));
  }
  EXPECT_EQ(Close().reporting_workers, 0);
  EXPECT_EQ(fold_.counters().acked_sequence, 0U);
}

LoadSum SumOf(std::vector<double> unspecified, std::vector<double> prefill = {}) {
  LoadSum sum;
  sum.tokens[0] = std::move(unspecified);
  sum.tokens[1] = std::move(prefill);
  sum.reporting_workers = 1;
  return sum;
}

TEST(LoadHistoryTest, KeepsTheNewestAndCombinesPhasesByTheirWeights) {
  LoadHistory history(1, 2, 2);
  EXPECT_TRUE(history.Push(SumOf({1, 2}), absl::Seconds(1)));
  EXPECT_TRUE(history.Push(SumOf({3, 4}, {10, 20}), absl::Seconds(2)));
  EXPECT_TRUE(history.Push(SumOf({5, 6}), absl::Seconds(3)));
  EXPECT_EQ(history.size(), 2);
  EXPECT_EQ(history.newest_time(), absl::Seconds(3));
  const std::vector<LoadMatrix> combined = history.Combined({.unspecified = 1, .prefill = 2, .decode = 0});
  ASSERT_EQ(combined.size(), 2U);
  EXPECT_THAT(combined[0].layer(0), ElementsAre(3 / 2.0 + 10, 4 / 2.0 + 20)) << "relative to the largest weight";
  EXPECT_THAT(combined[1].layer(0), ElementsAre(2.5, 3));
  EXPECT_EQ(history.Combined({.unspecified = 0, .prefill = 1, .decode = 0}).size(), 1U);
  EXPECT_FALSE(history.NewestOf(Phase::kPrefill).has_value());
}

TEST(LoadHistoryTest, WhatHasNoLoadOrTooMuchIsNoSubWindow) {
  LoadHistory history(1, 2, 2);
  EXPECT_FALSE(history.Push(SumOf({0, 0}), absl::Seconds(1)));
  EXPECT_FALSE(history.Push(SumOf({1e16, 0}), absl::Seconds(1)));
  EXPECT_EQ(history.size(), 0);
}

}  // namespace
}  // namespace eplb
