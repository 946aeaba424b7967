#include "client/simulator/step_history.h"

#include <gtest/gtest.h>

namespace eplb {
namespace {

TEST(StepHistoryTest, TellsFromWhenOnTheStepTimeStayedUnderTheTarget) {
  StepHistory history;
  history.Mark(0, "start");
  for (const auto& [seconds, step_time] : {std::pair(0.0, 2.3), {1.0, 1.1}, {2.0, 1.3}, {3.0, 1.15}, {4.0, 1.1}}) {
    history.Add(seconds, step_time);
  }
  history.Mark(5, "shift");
  history.Add(5, 1.5);
  history.Add(6, 1.2);
  const std::vector<EventFigures> events = history.Events(1.2);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].event, "start");
  EXPECT_EQ(events[0].peak, 2.3);
  EXPECT_EQ(events[0].under_after, 3.0) << "at 2 s it was over it again";
  EXPECT_EQ(events[0].highest_after_it, 1.15);
  EXPECT_EQ(events[1].at, 5);
  EXPECT_EQ(events[1].peak, 1.5);
  EXPECT_FALSE(events[1].under_after) << "1.2 is not under 1.2";
  EXPECT_DOUBLE_EQ(history.PartUnder(1.2), 3.0 / 7);
}

TEST(StepHistoryTest, AnEventWithoutSamplesAndAHistoryWithoutEventsAreFine) {
  StepHistory history;
  EXPECT_TRUE(history.Events(1.2).empty());
  EXPECT_EQ(history.PartUnder(1.2), 0);
  const std::size_t mark = history.Mark(1, "lost");
  history.Rename(mark, "lost for 2 s");
  ASSERT_EQ(history.Events(1.2).size(), 1U);
  EXPECT_EQ(history.Events(1.2)[0].event, "lost for 2 s");
  EXPECT_FALSE(history.Events(1.2)[0].under_after);
}

}  // namespace
}  // namespace eplb
