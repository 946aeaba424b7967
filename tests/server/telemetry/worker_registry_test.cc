#include "server/telemetry/worker_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kInterval = absl::Seconds(5);

WorkerIdentity Worker(std::string id, int first_rank, int num_ranks = 1, std::string incarnation = "1") {
  return {.worker_id = std::move(id),
          .incarnation = std::move(incarnation),
          .first_rank = first_rank,
          .num_ranks = num_ranks};
}

class WorkerRegistryTest : public ::testing::Test {
 protected:
  // Seconds pass; what changes is told as "worker:liveness".
  std::vector<std::string> Pass(int seconds) {
    now_ += absl::Seconds(seconds);
    std::vector<std::string> changes;
    for (const auto& change : registry_.Advance(now_, kInterval)) {
      changes.push_back(change.worker_id + ":" + std::to_string(static_cast<int>(change.liveness)));
    }
    return changes;
  }

  absl::Duration now_ = absl::Seconds(1000);
  WorkerRegistry registry_{4, 3, {.expire_after_intervals = 3, .exclude_grace = absl::Seconds(60)}, now_};
};

TEST_F(WorkerRegistryTest, SilenceExpiresThenExcludesAndAHelloBringsBack) {
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 2), now_).ok());
  ASSERT_TRUE(registry_.Hello(Worker("b", 2, 2), now_).ok());
  EXPECT_FALSE(registry_.AwaitsUnclaimedRanks());
  EXPECT_EQ(registry_.NextDeadline(kInterval), now_ + absl::Seconds(15));
  EXPECT_THAT(Pass(14), IsEmpty());
  registry_.Heard("b", now_);
  EXPECT_THAT(Pass(1), ElementsAre("a:1"));
  EXPECT_THAT(registry_.ExcludedRanks(), IsEmpty());
  registry_.Heard("b", now_ + absl::Seconds(60));
  EXPECT_THAT(Pass(60), ElementsAre("a:2"));
  EXPECT_THAT(registry_.ExcludedRanks(), ElementsAre(0, 1));
  EXPECT_FALSE(registry_.AwaitsUnclaimedRanks());
  registry_.Heard("a", now_);
  registry_.Heard("b", now_);
  EXPECT_THAT(Pass(1), IsEmpty()) << "a report does not bring an excluded one back";
  EXPECT_EQ(registry_.Hello(Worker("a", 0, 2), now_)->former, Liveness::kExcluded);
  EXPECT_THAT(registry_.ExcludedRanks(), IsEmpty());
}

TEST_F(WorkerRegistryTest, AReportRevivesAnExpiredWorker) {
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 4), now_).ok());
  EXPECT_THAT(Pass(20), ElementsAre("a:1"));
  registry_.Heard("a", now_);
  EXPECT_THAT(Pass(0), ElementsAre("a:0"));
}

TEST_F(WorkerRegistryTest, ARankHasOneLiveWorker) {
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 2), now_).ok());
  const absl::Status refused = registry_.Hello(Worker("b", 1, 2), now_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("rank 1"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("'a'"));
  EXPECT_EQ(registry_.workers().size(), 1U);
  Pass(20);
  EXPECT_THAT(registry_.Hello(Worker("b", 1, 2), now_)->replaced, ElementsAre("a")) << "an expired one gives way";
  EXPECT_TRUE(registry_.AwaitsUnclaimedRanks());
}

TEST_F(WorkerRegistryTest, AWorkerReplacesItselfWithOtherRanks) {
  using Kind = WorkerRegistry::HelloKind;
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 2), now_).ok());
  EXPECT_EQ(registry_.Hello(Worker("a", 0, 2), now_)->kind, Kind::kSameIncarnation);
  EXPECT_EQ(registry_.Hello(Worker("a", 1, 2, "2"), now_)->kind, Kind::kNewIncarnation);
  EXPECT_TRUE(registry_.Hello(Worker("b", 0), now_).ok()) << "rank 0 is free again";
}

TEST_F(WorkerRegistryTest, RanksAndBoundsAreChecked) {
  EXPECT_THAT(std::string(registry_.Check(Worker("a", -1)).message()), HasSubstr("first_rank"));
  EXPECT_THAT(std::string(registry_.Check(Worker("a", 3, 2)).message()), HasSubstr("num_ranks"));
  EXPECT_THAT(std::string(registry_.Check(Worker("a", 3, 0)).message()), HasSubstr("num_ranks"));
  for (int rank = 0; rank < 3; ++rank) ASSERT_TRUE(registry_.Hello(Worker(std::to_string(rank), rank), now_).ok());
  EXPECT_EQ(registry_.Check(Worker("more", 3)).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(WorkerRegistryTest, RanksThatNobodyClaimsAreExcludedOnlyWhereTheDeploymentRanBefore) {
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 3), now_).ok());
  registry_.Heard("a", now_ + absl::Seconds(75));
  Pass(75);
  EXPECT_TRUE(registry_.AwaitsUnclaimedRanks()) << "it may still be starting";
  registry_.SetEstablished();
  Pass(0);
  EXPECT_THAT(registry_.ExcludedRanks(), ElementsAre(3));
  EXPECT_FALSE(registry_.AwaitsUnclaimedRanks());
}

TEST_F(WorkerRegistryTest, AGoodbyeFreesTheRanks) {
  ASSERT_TRUE(registry_.Hello(Worker("a", 0, 4), now_).ok());
  registry_.Remove("a", now_);
  EXPECT_TRUE(registry_.workers().empty());
  EXPECT_TRUE(registry_.Hello(Worker("b", 0, 4), now_).ok());
}

}  // namespace
}  // namespace eplb
