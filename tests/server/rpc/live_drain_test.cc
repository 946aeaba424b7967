// What streams and watches see of a server that drains and stops.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "client/error_details.h"
#include "tests/support/live_server.h"

namespace eplb {
namespace {

using ::eplb::testing::HelloMessage;
using ::eplb::testing::LiveServer;
using ::eplb::testing::TelemetryClient;
using ::eplb::testing::WatchClient;
using ::eplb::testing::WatchMessage;

class LiveDrainTest : public ::testing::Test {
 protected:
  LiveServer server_;
  std::unique_ptr<v1::EplbService::Stub> stub_ = server_->NewStub();
};

TEST_F(LiveDrainTest, DrainTellsStreamsAndShutdownEndsThem) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  WatchClient watch(*stub_, WatchMessage());
  ASSERT_TRUE(watch.Read().has_value());
  server_->server().StartDraining();
  auto told = worker.Read();
  while (told && !told->draining()) told = worker.Read();
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->reconnect_delay().seconds(), 1);
  auto event = watch.Read();
  while (event && !event->has_draining()) event = watch.Read();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->draining().reconnect_delay().seconds(), 1);
  TelemetryClient late(*stub_);
  late.Send(HelloMessage("prod/r1", "w0", "i1"));
  const absl::Status refused = StatusFromGrpc(late.Finish());
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(RetryDelayOf(refused).has_value());
  EXPECT_EQ(WatchClient(*stub_, WatchMessage()).Finish().error_code(), grpc::StatusCode::UNAVAILABLE);

  server_->server().Shutdown(absl::Minutes(5));  // far longer than this test may take
  const grpc::Status status = worker.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(LiveDrainTest, StreamsOpenedWhileStoppingAreEnded) {
  TelemetryClient worker(*stub_);
  worker.Send(HelloMessage());
  ASSERT_TRUE(worker.Read().has_value());
  std::thread storm([&] {
    for (int i = 0; i < 200; ++i) {
      const std::string name = "w" + std::to_string(i);
      TelemetryClient late(*stub_);
      late.Send(HelloMessage("storm/" + name, name));
      late.Read();
      late.Finish();
    }
  });
  server_->server().Shutdown(absl::Minutes(5));
  storm.join();
  EXPECT_FALSE(worker.Finish().ok());
}

}  // namespace
}  // namespace eplb
