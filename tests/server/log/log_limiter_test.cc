#include "server/log/log_limiter.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

TEST(LogLimiter, LetsEachEventPassItsNumberOfTimesPerWindow) {
  testing::FakeClock clock;
  LogLimiter limiter(clock, absl::Seconds(10));
  EXPECT_EQ(limiter.Admit("storm", 2), 0);
  EXPECT_EQ(limiter.Admit("storm", 2), 0);
  EXPECT_EQ(limiter.Admit("storm", 2), std::nullopt);
  EXPECT_EQ(limiter.Admit("storm", 2), std::nullopt);
  EXPECT_EQ(limiter.Admit("other", 2), 0) << "one event does not silence another";
}

TEST(LogLimiter, CountsWhatWasLeftOut) {
  testing::FakeClock clock;
  LogLimiter limiter(clock, absl::Seconds(10));
  for (int i = 0; i < 5; ++i) limiter.Admit("storm", 1);
  clock.Advance(absl::Seconds(10));
  EXPECT_EQ(limiter.Admit("storm", 1), 4);
  clock.Advance(absl::Seconds(10));
  EXPECT_EQ(limiter.Admit("storm", 1), 0);
}

}  // namespace
}  // namespace eplb
