#ifndef EPLB_SERVER_BASE_UTF8_H_
#define EPLB_SERVER_BASE_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace eplb {

// Well-formed is what Unicode 15, table 3-7, says: no overlong forms, no surrogates, nothing past U+10FFFF.

// True for well-formed text: what a string of a message may be.
bool IsUtf8(std::string_view text);
// True for well-formed text without control characters (U+0000 to U+001F, U+007F to U+009F).
bool IsPrintableUtf8(std::string_view text);

// The whole code points at the start of `text` that fit into limit bytes; each malformed byte becomes '?'. Always
// well-formed.
std::string CutToUtf8(std::string_view text, std::size_t limit);
// The same, each control character a '?' too.
std::string CutToPrintableUtf8(std::string_view text, std::size_t limit);

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_UTF8_H_
