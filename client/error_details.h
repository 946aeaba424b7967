#ifndef EPLB_CLIENT_ERROR_DETAILS_H_
#define EPLB_CLIENT_ERROR_DETAILS_H_

#include <grpcpp/support/status.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eplb {

// An error of a call as one that people can read and programs can take apart: the code; a message of one line that
// names every field the server found wrong; those fields, for FieldErrorsOf (server/base/field_errors.h); and the
// server's advice on when to try again, for RetryDelayOf. Details that cannot be read are left out. OK for OK.
absl::Status StatusFromGrpc(const grpc::Status& status);

// How long the server asked to wait before the next try; nullopt where it did not say.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

}  // namespace eplb

#endif  // EPLB_CLIENT_ERROR_DETAILS_H_
