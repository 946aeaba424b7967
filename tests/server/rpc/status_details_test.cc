#include "server/rpc/status_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "server/base/field_errors.h"
#include "server/base/utf8.h"
#include "tests/support/error_details.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(StatusDetailsTest, OkHasNone) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(WithReason(absl::OkStatus(), "NEVER")).error_details(), "");
}

TEST(StatusDetailsTest, FieldErrorsBecomeViolations) {
  FieldErrors errors("topology.");
  errors.Add("num_gpus", "0", "must be at least 1");
  errors.Add("num_slots", "", "must be given");
  const grpc::Status status = ToGrpcStatus(errors.ToStatus());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Violations(status),
              ElementsAre("topology.num_gpus: 0: must be at least 1", "topology.num_slots: must be given"));
  EXPECT_EQ(Reason(status), "INVALID_REQUEST");
}

TEST(StatusDetailsTest, ReasonAndMetadataAreTold) {
  const absl::Status error = WithMetadata(WithReason(absl::AbortedError("gone"), "WORKER_REPLACED"), "worker", "w-7");
  const grpc::Status status = ToGrpcStatus(error);
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "WORKER_REPLACED");
  EXPECT_EQ(info->domain(), "eplb");
  EXPECT_THAT(info->metadata(), ElementsAre(Pair("worker", "w-7")));
}

TEST(StatusDetailsTest, OverloadSaysWhenToRetry) {
  for (const absl::Status& error : {absl::ResourceExhaustedError("full"), absl::UnavailableError("away")}) {
    const auto by_default = FindDetail<google::rpc::RetryInfo>(ToGrpcStatus(error));
    ASSERT_TRUE(by_default.has_value());
    EXPECT_EQ(by_default->retry_delay().seconds(), 1);
    const auto stated = FindDetail<google::rpc::RetryInfo>(ToGrpcStatus(WithRetryDelay(error, absl::Seconds(7))));
    ASSERT_TRUE(stated.has_value());
    EXPECT_EQ(stated->retry_delay().seconds(), 7);
  }
  EXPECT_FALSE(FindDetail<google::rpc::RetryInfo>(ToGrpcStatus(absl::InternalError("bug"))).has_value());
}

TEST(StatusDetailsTest, WhatStaysAsItIsHasNoRetryInfo) {
  const absl::Status error = WithRetryDelay(absl::ResourceExhaustedError("too large"), absl::InfiniteDuration());
  EXPECT_FALSE(FindDetail<google::rpc::RetryInfo>(ToGrpcStatus(error)).has_value());
  EXPECT_EQ(Reason(ToGrpcStatus(error)), "OVERLOADED");
}

// Clients parse the details: a single byte that is no UTF-8 would lose them all.
TEST(StatusDetailsTest, TextInAnyLanguageKeepsTheDetailsReadable) {
  for (const std::string_view part : {"\u00e9", "\u20ac", "\U0001f600", "\xff"}) {
    for (std::size_t shift = 0; shift < 4; ++shift) {
      std::string text(shift, 'a');
      while (text.size() < 2000) text += part;
      FieldErrors errors;
      errors.Add("deployment", text, "must be known");
      EXPECT_EQ(Violations(ToGrpcStatus(errors.ToStatus())).size(), 1U) << part << shift;
      const grpc::Status status = ToGrpcStatus(WithMetadata(absl::AbortedError(text), "worker", text));
      EXPECT_TRUE(IsUtf8(status.error_message()));
      const auto info = FindDetail<google::rpc::ErrorInfo>(status);
      ASSERT_TRUE(info.has_value()) << part << shift;
      EXPECT_TRUE(IsUtf8(info->metadata().at("worker")));
    }
  }
}

TEST(StatusDetailsTest, FailedPreconditionsAreStated) {
  const auto failure =
      FindDetail<google::rpc::PreconditionFailure>(ToGrpcStatus(absl::FailedPreconditionError("too few slots")));
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->violations(0).description(), "too few slots");
}

TEST(StatusDetailsTest, HostileInputCannotOutgrowTheMetadata) {
  FieldErrors errors;
  for (int i = 0; i < 1000; ++i) errors.Add(std::string(500, 'f'), std::string(500, 'v'), std::string(500, 'r'));
  absl::Status error = errors.ToStatus();
  error = WithMetadata(error, "key", std::string(100'000, 'm'));
  const grpc::Status status = ToGrpcStatus(error);
  EXPECT_LE(status.error_message().size(), 1024U);
  // Base64 makes four bytes of three; clients take 8 KiB of metadata.
  EXPECT_LT(status.error_details().size() * 4 / 3 + status.error_message().size(), 8192U - 512U);
  EXPECT_FALSE(Violations(status).empty());
}

}  // namespace
}  // namespace eplb
