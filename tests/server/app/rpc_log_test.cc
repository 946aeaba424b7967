#include "server/app/rpc_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>

#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kInvalidArgument = 3;
constexpr int kInternal = 13;

// Counts what is handed on.
class NextObserver final : public RpcObserver {
 public:
  void OnCallStarted(RpcMethod) override { ++calls; }
  void OnMessageReceived(RpcMethod, std::size_t) override { ++calls; }
  void OnMessageSent(RpcMethod, std::size_t) override { ++calls; }
  void OnCallFailed(RpcMethod, int, std::string_view) override { ++calls; }
  void OnCallFinished(RpcMethod, int, absl::Duration) override { ++calls; }

  int calls = 0;
};

TEST(RpcLog, NamesTheMethodAndTheErrorOfAFaultAndHandsAllOfItOn) {
  std::ostringstream out;
  testing::FakeClock clock;
  NextObserver next;
  {
    Logger logger({}, clock, std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    RpcLog log(logger, next);
    log.OnCallStarted(RpcMethod::kRebalance);
    log.OnMessageReceived(RpcMethod::kRebalance, 1);
    log.OnMessageSent(RpcMethod::kRebalance, 1);
    log.OnCallFailed(RpcMethod::kRebalance, kInternal, "a broken\nthing");
    log.OnCallFailed(RpcMethod::kGetPlacement, kInvalidArgument, "the caller's own");
    log.OnCallFinished(RpcMethod::kRebalance, kInternal, absl::Seconds(1));
  }
  EXPECT_EQ(next.calls, 6);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("level=error event=call_failed method=eplb.v1.EplbService/Rebalance "
                                         "code=INTERNAL error=\"a broken\\nthing\""),
                               Not(HasSubstr("GetPlacement"))));
}

TEST(RpcLog, AStormOfFaultsIsBoundedAndCounted) {
  std::ostringstream out;
  testing::FakeClock clock;
  NextObserver next;
  {
    Logger logger({.most_warnings = 2}, clock, std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    RpcLog log(logger, next);
    for (int i = 0; i < 100; ++i) log.OnCallFailed(RpcMethod::kRebalance, kInternal, "x");
    clock.Advance(2 * Logger::kLimitWindow);
    log.OnCallFailed(RpcMethod::kRebalance, kInternal, "x");
  }
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_THAT(text, HasSubstr("left_out=98"));
}

}  // namespace
}  // namespace eplb
