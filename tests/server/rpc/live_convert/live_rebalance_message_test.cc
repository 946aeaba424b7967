#include "server/rpc/live_convert/live_rebalance_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/rebalance_requests.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Errors(const v1::RebalanceRequest& request) {
  return FieldErrorTexts(ReadLiveRebalance(request, {}).status());
}

v1::RebalanceRequest LiveRequest() {
  v1::RebalanceRequest request;
  request.set_deployment("prod/r1");
  return request;
}

TEST(ReadLiveRebalance, ListsOfGpusComeOutRising) {
  v1::RebalanceRequest request = LiveRequest();
  for (const int gpu : {7, 2}) request.add_excluded_gpus(gpu);
  for (const int gpu : {9, 5, 0}) request.add_draining_gpus(gpu);
  const absl::StatusOr<RebalanceNowRequest> now = ReadLiveRebalance(request, {});
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_THAT(now->excluded_gpus, ElementsAre(2, 7));
  EXPECT_THAT(now->draining_gpus, ElementsAre(0, 5, 9));
}

TEST(ReadLiveRebalance, NoGpuIsInBothListsNorTwiceInOne) {
  v1::RebalanceRequest request = LiveRequest();
  for (const int gpu : {3, 4, 3, 16384}) request.add_excluded_gpus(gpu);
  for (const int gpu : {4, 5}) request.add_draining_gpus(gpu);
  EXPECT_THAT(Errors(request), ElementsAre("excluded_gpus[2] | 3 | must not be listed twice",
                                           "excluded_gpus[3] | 16384 | must be from 0 to 16383",
                                           "draining_gpus | 4 | must not be in excluded_gpus too"));
}

// Compared one by one these would take days.
TEST(ReadLiveRebalance, ListsOfMillionsAreRefusedAtOnce) {
  v1::RebalanceRequest request = LiveRequest();
  request.mutable_excluded_gpus()->Resize(4'000'000, 1);
  request.mutable_draining_gpus()->Resize(4'000'000, 2);
  EXPECT_THAT(Errors(request), ElementsAre("excluded_gpus | 4000000 entries | must be at most 16384",
                                           "draining_gpus | 4000000 entries | must be at most 16384"));
}

TEST(ReadLiveRebalance, AWorkLimitNeedsAPolicyThatSearches) {
  v1::RebalanceRequest request = LiveRequest();
  request.mutable_options()->set_policy(v1::POLICY_HIERARCHICAL);
  request.mutable_options()->set_work_limit(9);
  EXPECT_THAT(Errors(request), ElementsAre("options.work_limit | 9 | needs the optimized policy"));
}

TEST(ReadLiveRebalance, WhatTheWorkersHaveToldMustNotBeToldAgain) {
  v1::RebalanceRequest request;
  request.mutable_topology();
  request.add_current();
  request.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(Errors(request), ElementsAre("deployment |  | must be given without samples",
                                           "topology |  | must be unset without samples",
                                           "current | 1 layers | must be empty without samples",
                                           "request_id | 129 bytes | must be at most 128"));
}

}  // namespace
}  // namespace eplb
