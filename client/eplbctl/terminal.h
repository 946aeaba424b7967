#ifndef EPLB_CLIENT_EPLBCTL_TERMINAL_H_
#define EPLB_CLIENT_EPLBCTL_TERMINAL_H_

#include <string>
#include <string_view>

namespace eplb {

// How a piece of text stands out where there is colour.
enum class Emphasis { kNone, kBold, kDim, kGood, kBad };

// True where the standard output is a terminal that can show colour and NO_COLOR is unset or empty
// (https://no-color.org).
bool StandardOutputHasColour();

// The text between the escape codes of its emphasis, or as it is without colour.
std::string Emphasize(std::string_view text, Emphasis emphasis, bool colour);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_TERMINAL_H_
