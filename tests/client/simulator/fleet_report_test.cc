#include "client/simulator/fleet_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eplb {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

FleetFigures Figures() {
  return {.step_time = 1.1,
          .contiguous_step_time = 2.3,
          .balancedness = 0.91,
          .mean_step_time = 1.2,
          .mean_contiguous_step_time = 2.2,
          .fetched_experts = 1670,
          .fetched_bytes = 12'300'000'000,
          .switches = 7,
          .connected_workers = 32,
          .reports = 900};
}

TEST(FleetReportTest, ALineShowsWhatTheServiceTakesAway) {
  const std::string line = LiveLine(12, Figures());
  EXPECT_THAT(line, HasSubstr("  12.0     1.100    2.300    0.910     12.30       7      32      900"));
  EXPECT_THAT(line, EndsWith("  ##........................\n"));
  EXPECT_THAT(LiveLine(0, {.step_time = 1, .contiguous_step_time = 1}), Not(HasSubstr(" \n")));
  EXPECT_THAT(LiveLine(0, {.step_time = 99, .contiguous_step_time = 1}), EndsWith("  " + std::string(40, '#') + "\n"));
}

TEST(FleetReportTest, TheSummaryComparesAndTellsWhatFollowedEachEvent) {
  const std::string text =
      SummaryText({.seconds = 60,
                   .target = 1.2,
                   .slots = 288 * 58,
                   .figures = Figures(),
                   .events = {{.event = "start", .at = 0, .peak = 2.3, .under_after = 9.5, .highest_after_it = 1.15},
                              {.event = "traffic shifts", .at = 30, .peak = 1.5}},
                   .part_under_target = 0.8});
  EXPECT_THAT(text, HasSubstr("with the service   without (contiguous)"));
  EXPECT_THAT(text, HasSubstr("mean step time                        1.200                  2.200"));
  EXPECT_THAT(text, HasSubstr("12.30 GB"));
  EXPECT_THAT(text, HasSubstr("imbalance reduced by 83 %, expert layers 83 % faster; 7 placements, 10.0 % of slots"));
  EXPECT_THAT(text, ::testing::ContainsRegex("start +0.0 s +2.300 +9.5 s +1.150"));
  EXPECT_THAT(text, ::testing::ContainsRegex("traffic shifts +30.0 s +1.500 +not yet"));
  EXPECT_THAT(text, HasSubstr("80 % of the time under 1.2"));
}

}  // namespace
}  // namespace eplb
