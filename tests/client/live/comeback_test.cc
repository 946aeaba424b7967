#include "client/live/comeback.h"

#include <gtest/gtest.h>

#include "client/error_details.h"
#include "server/rpc/status_details.h"
#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::eplb::testing::FakeClock;

constexpr Comeback::Options kOptions{.first_backoff = absl::Milliseconds(200),
                                     .max_backoff = absl::Seconds(2),
                                     .stable_after = absl::Seconds(10),
                                     .superseded_backoff = absl::Seconds(10)};

// The longest of many first waits, as good as their bound.
template <typename End>
absl::Duration Longest(const End& end) {
  absl::Duration longest = absl::ZeroDuration();
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    FakeClock clock;
    Comeback comeback(kOptions, seed, clock);
    longest = std::max(longest, end(comeback, clock));
  }
  return longest;
}

const absl::Status kGone = absl::UnavailableError("gone");

TEST(ComebackTest, AnAnswerAloneIsNoSuccessAStreamThatHeldIs) {
  const auto after = [](absl::Duration held) {
    return Longest([held](Comeback& comeback, FakeClock& clock) {
      for (int i = 0; i < 10; ++i) comeback.Next(kGone);
      comeback.Answered();
      clock.Advance(held);
      return comeback.Next(kGone);
    });
  };
  EXPECT_GT(after(absl::Seconds(9)), absl::Seconds(1));
  EXPECT_LE(after(absl::Seconds(10)), absl::Milliseconds(200));
}

TEST(ComebackTest, WhoseServiceDrainedComesWithinTheTimeThatItStatedOnce) {
  const auto drained = [](int earlier) {
    return Longest([earlier](Comeback& comeback, FakeClock&) {
      comeback.Draining(absl::Seconds(30));
      for (int i = 0; i < earlier; ++i) comeback.Next(kGone);
      return comeback.Next(kGone);
    });
  };
  EXPECT_GT(drained(0), absl::Seconds(20));
  EXPECT_LE(drained(0), absl::Seconds(31));
  EXPECT_LE(drained(1), absl::Seconds(1));
}

TEST(ComebackTest, AServiceWithTooMuchToDoIsNotAskedBeforeItsRetryDelay) {
  const absl::Status full =
      StatusFromGrpc(ToGrpcStatus(WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Seconds(7))));
  FakeClock clock;
  EXPECT_GT(Comeback(kOptions, 1, clock).Next(full), absl::Seconds(7));
}

TEST(ComebackTest, WhosePlaceWasTakenWaitsLongerEachTimeUntilItHeldAgain) {
  const absl::Status taken = absl::AbortedError("a newer session took its place");
  const auto after = [&](int times, bool held) {
    return Longest([&](Comeback& comeback, FakeClock& clock) {
      for (int i = 0; i < times; ++i) {
        comeback.Answered();
        clock.Advance(absl::Seconds(60));
        comeback.Next(i == times - 1 && held ? kGone : taken);
      }
      return comeback.Next(taken);
    });
  };
  EXPECT_GT(after(0, false), absl::Seconds(8));
  EXPECT_LT(after(0, false), absl::Seconds(11));
  EXPECT_GT(after(6, false), absl::Seconds(80));
  EXPECT_LT(after(6, true), absl::Seconds(11));
}

}  // namespace
}  // namespace eplb
