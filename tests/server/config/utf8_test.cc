#include "server/config/utf8.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace eplb
