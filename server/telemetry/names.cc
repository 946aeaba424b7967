#include "server/telemetry/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "server/base/field_errors.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxNameLength = 128;

bool IsDeploymentCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '/';
}

bool IsWorkerCharacter(char c) { return c > ' ' && c < 127 && c != '"' && c != '\'' && c != '\\'; }

}  // namespace

absl::Status ValidateDeploymentName(std::string_view field, std::string_view name) {
  const bool valid = !name.empty() && name.size() <= kMaxNameLength &&
                     absl::ascii_isalnum(static_cast<unsigned char>(name.front())) &&
                     std::all_of(name.begin(), name.end(), IsDeploymentCharacter);
  if (valid) return absl::OkStatus();
  return FieldErrorStatus(field, QuoteForError(name),
                          "must be 1 to 128 letters, digits, '.', '_', '-' or '/', the first a letter or digit");
}

absl::Status ValidateWorkerName(std::string_view field, std::string_view name) {
  const bool valid =
      !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), IsWorkerCharacter);
  if (valid) return absl::OkStatus();
  return FieldErrorStatus(field, QuoteForError(name),
                          "must be 1 to 128 printable ASCII characters without spaces, quotes and backslashes");
}

}  // namespace eplb
