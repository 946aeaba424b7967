#ifndef EPLB_SERVER_TELEMETRY_NAMES_H_
#define EPLB_SERVER_TELEMETRY_NAMES_H_

#include <string_view>

#include "absl/status/status.h"

namespace eplb {

// The grammar of names that peers choose. They become metric labels, log fields and page tokens, so they hold nothing
// that would have to be escaped there. INVALID_ARGUMENT names the field.

// 1 to 128 letters, digits, '.', '_', '-' or '/', the first a letter or digit.
absl::Status ValidateDeploymentName(std::string_view field, std::string_view name);

// Worker ids and incarnations: 1 to 128 printable ASCII characters without space, quote or backslash.
absl::Status ValidateWorkerName(std::string_view field, std::string_view name);

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_NAMES_H_
