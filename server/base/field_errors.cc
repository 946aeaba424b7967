#include "server/base/field_errors.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/utf8.h"

namespace eplb {
namespace {

constexpr char kPayloadUrl[] = "eplb/field-errors";
// Neither separator survives QuoteForError, so neither can stand inside a part.
constexpr char kPartSeparator = '\x1f';
constexpr char kErrorSeparator = '\x1e';
constexpr std::size_t kMaxQuotedBytes = 64;
constexpr std::size_t kMaxPartBytes = 512;

std::string Sanitize(std::string_view text, std::size_t limit) {
  std::string out = CutToPrintableUtf8(text, limit);
  if (text.size() > limit) out += "...";
  return out;
}

std::string Describe(const FieldError& error) {
  return error.value.empty() ? absl::StrCat(error.field, ": ", error.rule)
                             : absl::StrCat(error.field, ": ", error.value, ": ", error.rule);
}

}  // namespace

std::string QuoteForError(std::string_view text) { return Sanitize(text, kMaxQuotedBytes); }

void FieldErrors::Add(std::string_view field, std::string_view value, std::string_view rule) {
  if (errors_.size() >= kMaxErrors) {
    ++dropped_;
    return;
  }
  errors_.push_back(
      {Sanitize(prefix_ + std::string(field), kMaxPartBytes), QuoteForError(value), Sanitize(rule, kMaxPartBytes)});
}

bool FieldErrors::CheckRange(std::string_view field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return true;
  Add(field, absl::StrCat(value),
      high == kNoBound ? absl::StrCat("must be at least ", low) : absl::StrCat("must be from ", low, " to ", high));
  return false;
}

void FieldErrors::Merge(std::string_view field, const absl::Status& status) {
  if (status.ok()) return;
  const std::vector<FieldError> others = FieldErrorsOf(status);
  if (others.empty()) {
    const absl::string_view message = status.message();
    Add(field, "", std::string_view(message.data(), message.size()));
    return;
  }
  for (const FieldError& other : others) {
    const bool nested = !field.empty() && !other.field.empty();
    Add(nested ? absl::StrCat(std::string(field), ".", other.field) : std::string(field) + other.field, other.value,
        other.rule);
  }
}

absl::Status FieldErrors::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::string message;
  std::string payload;
  for (const FieldError& error : errors_) {
    if (!message.empty()) message += "; ";
    message += Describe(error);
    absl::StrAppend(&payload, error.field, std::string(1, kPartSeparator), error.value, std::string(1, kPartSeparator),
                    error.rule, std::string(1, kErrorSeparator));
  }
  if (dropped_ > 0) absl::StrAppend(&message, "; and ", dropped_, " more");
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kPayloadUrl, absl::Cord(payload));
  return status;
}

absl::Status FieldErrorStatus(std::string_view field, std::string_view value, std::string_view rule) {
  FieldErrors errors;
  errors.Add(field, value, rule);
  return errors.ToStatus();
}

std::vector<FieldError> FieldErrorsOf(const absl::Status& status) {
  std::vector<FieldError> errors;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return errors;
  const std::string text(*payload);
  for (absl::string_view line : absl::StrSplit(text, kErrorSeparator, absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, kPartSeparator);
    if (parts.size() == 3) errors.push_back({parts[0], parts[1], parts[2]});
  }
  return errors;
}

}  // namespace eplb
