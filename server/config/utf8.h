#ifndef EPLB_SERVER_CONFIG_UTF8_H_
#define EPLB_SERVER_CONFIG_UTF8_H_

#include <string_view>

namespace eplb {

// True for well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates) without control characters.
bool IsPrintableUtf8(std::string_view text);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_UTF8_H_
