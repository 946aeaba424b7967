#include "client/eplbctl/exit_code.h"

#include <gtest/gtest.h>

#include "client/error_details.h"
#include "tests/support/error_details.h"

namespace eplb {
namespace {

TEST(ExitCodeTest, TellsBadInputFromAServerThatIsAway) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), ExitCode::kBadInput);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), ExitCode::kBadInput);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(StatusFromGrpc(BusyStatus(1))), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), ExitCode::kBadInput) << "a message that is too large";
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), ExitCode::kUnreachable) << "a server that closes under the call";
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), ExitCode::kFailed);
}

}  // namespace
}  // namespace eplb
