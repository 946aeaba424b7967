#ifndef EPLB_SERVER_BASE_FIELD_ERRORS_H_
#define EPLB_SERVER_BASE_FIELD_ERRORS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace eplb {

// One rule that an input broke.
struct FieldError {
  std::string field;  // path of the field, as in "topology.num_gpus" or "loads[3].tokens"
  std::string value;  // what was given, as text; empty where there is nothing to quote
  std::string rule;   // the bound or rule, as in "must be at least 1"

  bool operator==(const FieldError&) const = default;
};

// Gathers everything wrong with one input, so that the sender learns of it all at once. Keeps the first
// kMaxErrors and counts the rest, so that hostile input cannot make the answer grow. Not thread-safe.
class FieldErrors {
 public:
  static constexpr int kMaxErrors = 32;
  static constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

  // A prefix is put before every field name, as in "loads[3].".
  explicit FieldErrors(std::string_view prefix = "") : prefix_(prefix) {}

  void Add(std::string_view field, std::string_view value, std::string_view rule);
  // Adds an error where the value is not from `low` to `high`; kNoBound: no upper one. Whether it is.
  bool CheckRange(std::string_view field, std::int64_t value, std::int64_t low, std::int64_t high);
  // Takes over the errors of a status made by ToStatus, under this prefix and the given field; other errors are
  // kept as the rule text. An OK status adds nothing.
  void Merge(std::string_view field, const absl::Status& status);

  bool empty() const { return errors_.empty(); }
  const std::vector<FieldError>& errors() const { return errors_; }

  // OK when empty; otherwise INVALID_ARGUMENT whose message names each field, value and rule, and whose payload
  // FieldErrorsOf reads.
  absl::Status ToStatus() const;

 private:
  std::string prefix_;
  std::vector<FieldError> errors_;
  int dropped_ = 0;
};

// The single-error case of FieldErrors.
absl::Status FieldErrorStatus(std::string_view field, std::string_view value, std::string_view rule);

// The errors that a status made by FieldErrors carries; empty for any other status.
std::vector<FieldError> FieldErrorsOf(const absl::Status& status);

// Shortens untrusted text for an error message: at most 64 bytes of it, and always printable UTF-8. What is malformed
// or a control character becomes a question mark.
std::string QuoteForError(std::string_view text);

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_FIELD_ERRORS_H_
