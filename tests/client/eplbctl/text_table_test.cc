#include "client/eplbctl/text_table.h"

#include <gtest/gtest.h>

namespace eplb {
namespace {

TEST(TextTableTest, AlignsNamesLeftAndNumbersRight) {
  TextTable table({"", "before", "after"});
  table.AddRow({"twins", "1", "12,345"});
  table.AddRow({"a longer name", "", "7"});
  table.AddRow({"short"});
  EXPECT_EQ(table.Format(false),
            "               before   after\n"
            "twins               1  12,345\n"
            "a longer name               7\n"
            "short\n");
}

TEST(TextTableTest, ColumnsMayBeSetToTheLeft) {
  TextTable table({"n", "bar"});
  table.AlignLeft(1);
  table.AddRow({"1", "#"});
  table.AddRow({"2", "####"});
  EXPECT_EQ(table.Format(false), "n  bar\n1  #\n2  ####\n");
}

TEST(TextTableTest, ColourDoesNotMoveColumns) {
  TextTable table({"", "x"});
  table.AddRow({"a", Cell("1", Emphasis::kGood)});
  table.AddRow({"b", Cell("22", Emphasis::kBad)});
  EXPECT_EQ(table.Format(true), "    \x1b[1mx\x1b[0m\na   \x1b[32m1\x1b[0m\nb  \x1b[31m22\x1b[0m\n");
}

TEST(TextTableTest, CountsCharactersNotBytes) {
  TextTable table({"\xC3\xA9", "b"});
  table.AddRow({"x", "1"});
  EXPECT_EQ(table.Format(false), "\xC3\xA9  b\nx  1\n");
}

TEST(FixedTest, RoundsAndHasNoNegativeZero) {
  EXPECT_EQ(Fixed(0.99305, 3), "0.993");
  EXPECT_EQ(Fixed(-0.0001, 2), "0.00");
  EXPECT_EQ(Fixed(12, 0), "12");
}

TEST(GroupedTest, SetsThousandsApart) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(-1234567), "-1,234,567");
}

}  // namespace
}  // namespace eplb
