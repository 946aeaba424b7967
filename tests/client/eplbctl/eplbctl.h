#ifndef EPLB_TESTS_CLIENT_EPLBCTL_EPLBCTL_H_
#define EPLB_TESTS_CLIENT_EPLBCTL_EPLBCTL_H_

#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace eplb::testing {

// Runs the eplbctl that was built with these tests.
inline ProgramResult RunEplbctl(std::vector<std::string> arguments, const std::string& input = "",
                                const std::vector<std::string>& environment = {}) {
  arguments.insert(arguments.begin(), EPLB_EPLBCTL);
  return RunProgram(arguments, input, environment);
}

}  // namespace eplb::testing

#endif  // EPLB_TESTS_CLIENT_EPLBCTL_EPLBCTL_H_
