#ifndef EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_
#define EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/str_cat.h"

namespace eplb {

// Refuses values outside [low, high] and says so, without crowding the help text with the bounds; "nan" is no value
// (for CLI::Range it is one).
template <typename T>
CLI::Validator InRange(T low, T high) {
  return CLI::Validator(
      [low, high](std::string& input) {
        T value{};
        if (CLI::detail::lexical_cast(input, value) && value >= low && value <= high) return std::string();
        return absl::StrCat("Value ", input, " not in range ", low, " to ", high);
      },
      "");
}

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_
