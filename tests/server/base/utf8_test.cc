#include "server/base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace eplb {
namespace {

TEST(IsPrintableUtf8, TakesText) {
  for (const char* text : {"", "plain ~", "\u00e9", "\u20ac", "\U0001f600"}) EXPECT_TRUE(IsPrintableUtf8(text)) << text;
}

TEST(IsPrintableUtf8, RefusesControlsAndWhatIsMalformed) {
  for (const char* text :
       {"\n", "\x1b[0m", "\x7f", "\xc2\x80" /* a C1 control */, "\x80" /* no lead */, "\xc3" /* cut off */,
        "\xc3(" /* no continuation */, "\xc0\xaf" /* overlong */, "\xe0\x80\xaf" /* overlong */,
        "\xed\xa0\x80" /* surrogate */, "\xf4\x90\x80\x80" /* past the last */, "\xff"}) {
    EXPECT_FALSE(IsPrintableUtf8(text)) << text;
  }
}

TEST(IsUtf8, TakesControlsButNothingMalformed) {
  EXPECT_TRUE(IsUtf8("\n\x7f\xc2\x80 \u20ac"));
  for (const char* text : {"\xff", "a\xe2\x82", "\xed\xa0\x80", "\xc0\x80"}) EXPECT_FALSE(IsUtf8(text)) << text;
}

TEST(CutToUtf8, CutsBetweenCodePoints) {
  for (const std::string_view last : {"\u00e9", "\u20ac", "\U0001f600"}) {
    const std::string text = std::string(10, 'a') + std::string(last);
    for (std::size_t limit = 10; limit < text.size(); ++limit) EXPECT_EQ(CutToUtf8(text, limit), std::string(10, 'a'));
    EXPECT_EQ(CutToUtf8(text, text.size()), text);
  }
}

TEST(CutToUtf8, EachMalformedByteBecomesAQuestionMark) {
  EXPECT_EQ(CutToUtf8("a\xff\x80z", 10), "a??z");
  EXPECT_EQ(CutToUtf8("\xe2\x82", 10), "??") << "a code point that ends too early";
  EXPECT_EQ(CutToUtf8("a\nb", 10), "a\nb");
}

TEST(CutToPrintableUtf8, ReplacesControlsToo) {
  EXPECT_EQ(CutToPrintableUtf8("a\n\x7f\xc2\x80\xff\u00e9", 10), "a????\u00e9");
}

}  // namespace
}  // namespace eplb
