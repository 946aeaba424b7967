#ifndef EPLB_CLIENT_EPLBCTL_EXIT_CODE_H_
#define EPLB_CLIENT_EPLBCTL_EXIT_CODE_H_

#include "absl/status/status.h"

namespace eplb {

// What eplbctl exits with; its --help lists them.
enum class ExitCode {
  kOk = 0,
  kFailed = 1,       // nothing wrong with the input, and yet no answer
  kBadInput = 2,     // flags, files, or what they describe; also what is too large for a message
  kUnreachable = 3,  // the server cannot be reached, is too busy, or took longer than the deadline: try again
};

// The exit code that tells a script what kind of error this is.
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_EXIT_CODE_H_
