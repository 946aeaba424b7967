#include "client/error_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

grpc::Status WithDetail(grpc::StatusCode code, const google::protobuf::Message& detail) {
  google::rpc::Status details;
  details.add_details()->PackFrom(detail);
  return grpc::Status(code, "the message", details.SerializeAsString());
}

TEST(ErrorDetailsTest, AnAddressThatDoesNotAnswerIsToldInWords) {
  EXPECT_EQ(StatusFromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                        "connections to all backends failing; last error: UNKNOWN: ipv4:127.0.0.1:1: "
                                        "Failed to connect to remote host: Connection refused"))
                .message(),
            "cannot connect: Connection refused");
  EXPECT_EQ(StatusFromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                        "DNS resolution failed for x: C-ares status is not ARES_SUCCESS"))
                .message(),
            "cannot connect: no such host name");
}

TEST(StatusFromGrpcTest, KeepsCodeAndMessageOnOneLine) {
  EXPECT_TRUE(StatusFromGrpc(grpc::Status::OK).ok());
  const absl::Status status = StatusFromGrpc(grpc::Status(grpc::StatusCode::ABORTED, "two\nlines"));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "two lines");
  EXPECT_EQ(StatusFromGrpc(grpc::Status(grpc::StatusCode::UNKNOWN, "")).message(), "the server gave no reason");
}

TEST(StatusFromGrpcTest, NamesEveryFieldThatTheServerFoundWrong) {
  google::rpc::BadRequest bad_request;
  auto* first = bad_request.add_field_violations();
  first->set_field("topology.num_gpus");
  first->set_description("0: must be at least 1");
  auto* second = bad_request.add_field_violations();
  second->set_field("samples[0]");
  second->set_description("is ragged");
  const absl::Status status = StatusFromGrpc(WithDetail(grpc::StatusCode::INVALID_ARGUMENT, bad_request));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "topology.num_gpus: 0: must be at least 1; samples[0]: is ragged");
  EXPECT_THAT(FieldErrorsOf(status), ElementsAre(FieldError{"topology.num_gpus", "", "0: must be at least 1"},
                                                 FieldError{"samples[0]", "", "is ragged"}));
}

TEST(StatusFromGrpcTest, ReadsHowLongToWait) {
  google::rpc::RetryInfo retry_info;
  retry_info.mutable_retry_delay()->set_nanos(250'000'000);
  const absl::Status status = StatusFromGrpc(WithDetail(grpc::StatusCode::RESOURCE_EXHAUSTED, retry_info));
  EXPECT_EQ(RetryDelayOf(status), absl::Milliseconds(250));
  EXPECT_EQ(RetryDelayOf(absl::ResourceExhaustedError("")), std::nullopt);
}

TEST(StatusFromGrpcTest, HostileDetailsAreLeftOut) {
  const absl::Status garbage = StatusFromGrpc(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "why", "\xff\xff\xff"));
  EXPECT_EQ(garbage.message(), "why");
  google::rpc::RetryInfo negative;
  negative.mutable_retry_delay()->set_seconds(-5);
  EXPECT_EQ(RetryDelayOf(StatusFromGrpc(WithDetail(grpc::StatusCode::UNAVAILABLE, negative))), std::nullopt);
}

}  // namespace
}  // namespace eplb
