#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(EplbctlGenerateTest, WritesLoadsThatRebalanceReads) {
  const TemporaryDirectory directory;
  for (const char* name : {"loads.csv", "loads.npy"}) {
    const std::string path = directory.Path(name);
    ASSERT_EQ(
        RunEplbctl({"generate", "--layers", "3", "--experts", "16", "--windows", "2", "--output", path}).exit_code, 0);
    const ProgramResult plan = RunEplbctl({"rebalance", "--local", "--loads", path, "--slots", "20", "--gpus", "4"});
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_THAT(plan.out, HasSubstr("3 layers x 16 experts, sum of 2 windows"));
  }
}

TEST(EplbctlGenerateTest, EqualFlagsGiveEqualBytes) {
  const ProgramResult first = RunEplbctl({"generate", "--layers", "2", "--experts", "8", "--first-layer", "3"});
  EXPECT_EQ(first.out, RunEplbctl({"generate", "--layers", "2", "--experts", "8", "--first-layer", "3"}).out);
  EXPECT_THAT(first.out, StartsWith("window,layer,e0,e1,e2,e3,e4,e5,e6,e7\n0,3,"));
}

}  // namespace
}  // namespace eplb::testing
