#include "client/eplbctl/terminal.h"

#include <unistd.h>

#include <cstdlib>

namespace eplb {
namespace {

std::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

std::string_view EscapeCode(Emphasis emphasis) {
  switch (emphasis) {
    case Emphasis::kBold:
      return "\x1b[1m";
    case Emphasis::kDim:
      return "\x1b[2m";
    case Emphasis::kGood:
      return "\x1b[32m";
    case Emphasis::kBad:
      return "\x1b[31m";
    case Emphasis::kNone:
      break;
  }
  return "";
}

}  // namespace

bool StandardOutputHasColour() {
  return ::isatty(STDOUT_FILENO) == 1 && Environment("NO_COLOR").empty() && Environment("TERM") != "dumb" &&
         !Environment("TERM").empty();
}

std::string Emphasize(std::string_view text, Emphasis emphasis, bool colour) {
  if (!colour || emphasis == Emphasis::kNone || text.empty()) return std::string(text);
  return std::string(EscapeCode(emphasis)) + std::string(text) + "\x1b[0m";
}

}  // namespace eplb
