#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(EplbctlReportTest, WritesOnePageThatStandsAlone) {
  const TemporaryDirectory directory;
  const std::string loads = directory.Path("loads.csv");
  ASSERT_EQ(RunEplbctl({"generate", "--layers", "3", "--experts", "16", "--output", loads}).exit_code, 0);
  const std::string page = directory.Path("plan.html");
  const ProgramResult result = RunEplbctl(
      {"report", "--html", page, "--loads", loads, "--slots", "20", "--gpus", "4", "--nodes", "2", "--local"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(ReadFile(page), StartsWith("<!doctype html>"));
  EXPECT_THAT(ReadFile(page), HasSubstr("20 slots on 4 GPUs"));
}

TEST(EplbctlReportTest, ShowsAReplayAgainstWhatUsersHave) {
  const TemporaryDirectory directory;
  const std::string series = directory.Path("series.npy");
  ASSERT_EQ(RunEplbctl({"generate", "--layers", "2", "--experts", "16", "--windows", "3", "--sub-windows", "2",
                        "--output", series})
                .exit_code,
            0);
  const std::string page = directory.Path("plan.html");
  const ProgramResult result = RunEplbctl(
      {"report", "--html", page, "--loads", series, "--series", series, "--slots", "20", "--gpus", "4", "--local"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(ReadFile(page), HasSubstr("published algorithm, every window"));
}

}  // namespace
}  // namespace eplb::testing
