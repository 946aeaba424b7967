// What is promised on the wire: reports stay small enough to be sent each second by ten thousand workers, and error
// details are the ones that every gRPC client knows.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/support/error_details.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "eplb/v1/rebalance.pb.h"
#include "eplb/v1/telemetry.pb.h"
#include "eplb/v1/watch.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace eplb {
namespace {

constexpr int kLayers = 58;

v1::StreamTelemetryRequest ReportOf(int columns, bool by_slot) {
  v1::StreamTelemetryRequest request;
  v1::LoadReport& report = *request.mutable_report();
  report.set_sequence(1'000'000);
  report.mutable_end_time()->set_seconds(1'800'000'000);
  report.mutable_end_time()->set_nanos(999'999'999);
  report.mutable_window()->set_seconds(1);
  report.mutable_placement()->set_epoch(1'800'000'000'000'000'000);
  report.mutable_placement()->set_revision(100'000);
  for (int i = 0; i < kLayers * columns; ++i) {
    const auto tokens = static_cast<uint64_t>(i % 16'384);  // at most two bytes as a varint
    by_slot ? report.add_slot_tokens(tokens) : report.add_expert_tokens(tokens);
  }
  return request;
}

TEST(WireFormat, ReportByLocalSlotFitsOnePacket) { EXPECT_LE(ReportOf(9, true).ByteSizeLong(), 1'200U); }

TEST(WireFormat, ReportByExpertTakesTwoBytesPerEntry) {
  EXPECT_LE(ReportOf(256, false).ByteSizeLong(), kLayers * 256U * 2U + 100U);
}

// Names every repeated number of the file, and of the files it imports, that is not packed.
void CollectUnpacked(const google::protobuf::FileDescriptor& file, std::set<std::string>& unpacked) {
  for (int i = 0; i < file.dependency_count(); ++i) CollectUnpacked(*file.dependency(i), unpacked);
  if (file.package() != "eplb.v1") return;
  for (int m = 0; m < file.message_type_count(); ++m) {
    const auto& message = *file.message_type(m);
    for (int f = 0; f < message.field_count(); ++f) {
      const auto& field = *message.field(f);
      if (field.is_packable() && !field.is_packed()) unpacked.insert(field.full_name());
    }
  }
}

TEST(WireFormat, EveryRepeatedNumberOfTheApiIsPacked) {
  std::set<std::string> unpacked;
  CollectUnpacked(*v1::StreamTelemetryRequest::descriptor()->file(), unpacked);
  CollectUnpacked(*v1::RebalanceRequest::descriptor()->file(), unpacked);
  CollectUnpacked(*v1::WatchPlacementsResponse::descriptor()->file(), unpacked);
  EXPECT_THAT(unpacked, testing::IsEmpty());
}

TEST(WireFormat, ErrorDetailsAreFoundByTheNamesThatEveryClientKnows) {
  google::rpc::BadRequest bad_request;
  auto& violation = *bad_request.add_field_violations();
  violation.set_field("topology.num_gpus");
  violation.set_description("0 is less than 1");
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  status.set_message("bad request");
  status.add_details()->PackFrom(bad_request);

  grpc::Status carried;
  ASSERT_TRUE(grpc::SetErrorDetails(status, &carried).ok());
  google::rpc::Status received;
  ASSERT_TRUE(grpc::ExtractErrorDetails(carried, &received).ok());

  ASSERT_EQ(received.details_size(), 1);
  EXPECT_EQ(received.details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest unpacked;
  ASSERT_TRUE(received.details(0).UnpackTo(&unpacked));
  EXPECT_EQ(unpacked.field_violations(0).field(), "topology.num_gpus");
}

// The bytes of google.rpc.Status{code: 3, message: "m"} and google.rpc.RetryInfo{retry_delay: 2 s} as any other
// implementation writes them.
TEST(WireFormat, ErrorDetailsHaveTheWellKnownFieldNumbers) {
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString("\x08\x03\x12\x01m"));
  EXPECT_EQ(status.code(), 3);
  EXPECT_EQ(status.message(), "m");
  google::rpc::RetryInfo retry_info;
  ASSERT_TRUE(retry_info.ParseFromString("\x0a\x02\x08\x02"));
  EXPECT_EQ(retry_info.retry_delay().seconds(), 2);
}

}  // namespace
}  // namespace eplb
