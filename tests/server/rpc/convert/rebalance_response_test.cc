#include "server/rpc/convert/rebalance_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/base/parallel_for.h"
#include "server/rpc/convert/duration_message.h"
#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

v1::RebalanceResponse Respond(const v1::RebalanceRequest& request) {
  const absl::StatusOr<RebalanceInput> input = ReadRebalanceRequest(request, {}, {});
  EXPECT_TRUE(input.ok()) << input.status();
  const absl::StatusOr<RebalancePlan> plan = PlanRebalance(input->problem(), input->options, SerialFor());
  EXPECT_TRUE(plan.ok()) << plan.status();
  v1::RebalanceResponse response;
  WriteRebalanceResponse(*input, {.plan = *plan}, absl::Microseconds(1500), response);
  return response;
}

TEST(RebalanceResponseTest, LayersSayHowOftenEachExpertIsThere) {
  const v1::RebalanceResponse response = Respond(MakeRequest());
  ASSERT_EQ(response.layers_size(), 2);
  for (const v1::LayerPlacement& layer : response.layers()) {
    ASSERT_EQ(layer.physical_to_logical_size(), 12);
    std::vector<int> counts(8, 0);
    for (const int expert : layer.physical_to_logical()) ++counts[static_cast<std::size_t>(expert)];
    EXPECT_THAT(layer.expert_count(), ElementsAreArray(counts));
    EXPECT_EQ(layer.logical_to_physical_size(), 0) << "not asked for";
  }
}

TEST(RebalanceResponseTest, TheInverseMapComesWhenAskedFor) {
  v1::RebalanceRequest request = MakeRequest();
  request.set_max_routing_entries(100);
  const v1::RebalanceResponse response = Respond(request);
  for (const v1::LayerPlacement& layer : response.layers()) {
    EXPECT_THAT(layer.logical_to_physical_count(), ElementsAreArray(layer.expert_count()));
    int entry = 0;
    for (int expert = 0; expert < 8; ++expert) {
      for (int i = 0; i < layer.logical_to_physical_count(expert); ++i, ++entry) {
        EXPECT_EQ(layer.physical_to_logical(layer.logical_to_physical(entry)), expert);
      }
    }
    EXPECT_EQ(entry, layer.logical_to_physical_size());
  }
}

TEST(RebalanceResponseTest, TheInverseMapKeepsWithinItsEntries) {
  v1::RebalanceRequest request = MakeRequest();
  request.set_max_routing_entries(1);
  const v1::RebalanceResponse response = Respond(request);
  for (const v1::LayerPlacement& layer : response.layers()) {
    EXPECT_THAT(layer.logical_to_physical_count(), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
  }
}

TEST(RebalanceResponseTest, SummaryAgreesWithLayers) {
  const v1::RebalanceResponse response = Respond(MakeRequest({.layers = 6, .experts = 32, .slots = 40, .gpus = 8}));
  double max_before = 0;
  double max_after = 0;
  double mean = 0;
  double worst = 1;
  for (const v1::LayerBalance& layer : response.balance()) {
    max_before += layer.max_gpu_load_before();
    max_after += layer.max_gpu_load_after();
    mean += layer.mean_gpu_load_after();
    worst = std::min(worst, layer.balancedness_after());
    EXPECT_GE(layer.max_gpu_load_after(), layer.lower_bound_gpu_load());
    EXPECT_GE(layer.gap_ratio(), 0);
  }
  const v1::PlanSummary& summary = response.summary();
  EXPECT_DOUBLE_EQ(summary.step_time_before(), max_before / mean);
  EXPECT_DOUBLE_EQ(summary.step_time_after(), max_after / mean);
  EXPECT_DOUBLE_EQ(summary.worst_balancedness_after(), worst);
  EXPECT_GE(summary.step_time_after(), summary.lower_bound_step_time());
  EXPECT_LT(summary.step_time_after(), summary.step_time_before());
  EXPECT_EQ(summary.fetches(), 0) << "no current placement";
  EXPECT_EQ(response.compute_duration().nanos(), 1'500'000);
}

TEST(RebalanceResponseTest, BytesAreFetchesTimesBytesPerExpert) {
  v1::RebalanceRequest request = MakeRequest();
  AddContiguousCurrent(request);
  request.set_bytes_per_expert(1000);
  const v1::PlanSummary summary = Respond(request).summary();
  EXPECT_GT(summary.fetches(), 0);
  EXPECT_EQ(summary.fetched_bytes(), summary.fetches() * 1000);
  EXPECT_EQ(summary.unchanged_reason(), v1::UNCHANGED_REASON_UNSPECIFIED);
}

TEST(RebalanceResponseTest, WithoutLoadAllIsOne) {
  v1::RebalanceRequest request = MakeRequest();
  for (v1::LayerLoad& layer : *request.mutable_samples(0)->mutable_layers()) {
    for (auto& tokens : *layer.mutable_tokens()) tokens = 0;
  }
  const v1::RebalanceResponse response = Respond(request);
  EXPECT_EQ(response.summary().step_time_after(), 1);
  EXPECT_EQ(response.summary().balancedness_before(), 1);
  EXPECT_EQ(response.summary().gap_ratio(), 0);
}

TEST(DurationMessageTest, SurvivesTheRoundTrip) {
  for (const absl::Duration duration : {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Seconds(-1.5),
                                        absl::Hours(100) + absl::Nanoseconds(7), kMaxMessageDuration}) {
    google::protobuf::Duration message;
    WriteDuration(duration, message);
    EXPECT_EQ(ReadDuration(message), duration);
    const absl::Time time = absl::UnixEpoch() + duration;
    google::protobuf::Timestamp timestamp;
    WriteTimestamp(time, timestamp);
    EXPECT_EQ(ReadTimestamp(timestamp), time);
    EXPECT_GE(timestamp.nanos(), 0) << "as the format asks";
  }
}

TEST(DurationMessageTest, WhatIsOutOfRangeIsCut) {
  google::protobuf::Duration message;
  WriteDuration(absl::InfiniteDuration(), message);
  EXPECT_EQ(ReadDuration(message), kMaxMessageDuration);
  message.set_seconds(std::numeric_limits<std::int64_t>::min());
  message.set_nanos(std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(ReadDuration(message), -kMaxMessageDuration);
}

}  // namespace
}  // namespace eplb
