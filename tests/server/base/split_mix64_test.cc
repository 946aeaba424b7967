#include "server/base/split_mix64.h"

#include <gtest/gtest.h>

namespace eplb {
namespace {

// The first outputs of the authors' reference implementation for seed 1234567.
TEST(SplitMix64, GivesThePublishedSequence) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
  EXPECT_EQ(random.Next(), 9817491932198370423U);
}

TEST(SplitMix64, DrawsFromTheIntervalsThatItNames) {
  SplitMix64 one(7);
  SplitMix64 other(7);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double below_one = one.BelowOne();
    ASSERT_GE(below_one, 0.0);
    ASSERT_LT(below_one, 1.0);
    ASSERT_EQ(other.AboveZero(), below_one + 0x1p-53) << "the same draw";
    sum += below_one;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace eplb
