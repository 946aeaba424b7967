#ifndef EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_
#define EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_

#include <CLI/CLI.hpp>

namespace eplb {

// Refuses values outside [low, high] and says so, without crowding the help text with the bounds.
template <typename T>
CLI::Validator InRange(T low, T high) {
  return CLI::Range(low, high).description("");
}

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_FLAG_CHECKS_H_
