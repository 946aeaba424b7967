#include "client/retry_backoff.h"

#include <gtest/gtest.h>

#include "client/error_details.h"
#include "tests/support/error_details.h"

namespace eplb {
namespace {

constexpr absl::Duration kLong = absl::Seconds(100);
const RetryOptions kOptions = {.max_attempts = 6,
                               .first_backoff = absl::Milliseconds(100),
                               .max_backoff = absl::Milliseconds(400),
                               .backoff_multiplier = 2.0};

absl::Status BusyFor(int seconds) { return StatusFromGrpc(BusyStatus(seconds)); }

TEST(RetryBackoffTest, WaitsGrowToTheBoundAndThenEnd) {
  RetryBackoff backoff(kOptions, 1);
  for (const int ceiling : {100, 200, 400, 400, 400}) {
    const auto wait = backoff.NextWait(absl::UnavailableError(""), kLong);
    ASSERT_TRUE(wait.has_value());
    EXPECT_GE(*wait, absl::Milliseconds(ceiling / 2));
    EXPECT_LT(*wait, absl::Milliseconds(ceiling));
  }
  EXPECT_EQ(backoff.NextWait(absl::UnavailableError(""), kLong), std::nullopt);
}

TEST(RetryBackoffTest, OnlyWhatMayPassIsTriedAgain) {
  RetryBackoff backoff(kOptions, 1);
  EXPECT_EQ(backoff.NextWait(absl::InvalidArgumentError(""), kLong), std::nullopt);
  EXPECT_EQ(backoff.NextWait(absl::DeadlineExceededError(""), kLong), std::nullopt);
  EXPECT_EQ(backoff.NextWait(absl::InternalError(""), kLong), std::nullopt);
  EXPECT_EQ(backoff.NextWait(absl::ResourceExhaustedError("larger than max"), kLong), std::nullopt)
      << "gRPC's own word for a message that is too large";
  EXPECT_TRUE(backoff.NextWait(BusyFor(1), kLong).has_value());
  EXPECT_TRUE(backoff.NextWait(absl::CancelledError(""), kLong).has_value()) << "a server that closes under the call";
}

TEST(RetryBackoffTest, NeverComesBackSoonerThanTheServerAsked) {
  RetryBackoff backoff(kOptions, 1);
  EXPECT_EQ(backoff.NextWait(BusyFor(7), kLong), absl::Seconds(7));
}

TEST(RetryBackoffTest, GivesUpWhereTheDeadlineHasNoRoomForTheWait) {
  RetryBackoff backoff(kOptions, 1);
  EXPECT_EQ(backoff.NextWait(BusyFor(7), absl::Seconds(7)), std::nullopt);
}

TEST(RetryBackoffTest, OtherSeedsWaitOtherTimes) {
  RetryBackoff one(kOptions, 1);
  RetryBackoff same(kOptions, 1);
  RetryBackoff other(kOptions, 2);
  const auto wait = one.NextWait(absl::UnavailableError(""), kLong);
  EXPECT_EQ(wait, same.NextWait(absl::UnavailableError(""), kLong));
  EXPECT_NE(wait, other.NextWait(absl::UnavailableError(""), kLong));
}

TEST(RetryBackoffTest, OneAttemptNeverRetries) {
  RetryBackoff backoff({.max_attempts = 1}, 1);
  EXPECT_EQ(backoff.NextWait(absl::UnavailableError(""), kLong), std::nullopt);
}

}  // namespace
}  // namespace eplb
