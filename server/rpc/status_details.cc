#include "server/rpc/status_details.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/field_errors.h"
#include "server/base/utf8.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

constexpr char kDomain[] = "eplb";
constexpr char kReasonUrl[] = "eplb/reason";
constexpr char kRetryDelayUrl[] = "eplb/retry-delay";
constexpr std::string_view kMetadataUrlPrefix = "eplb/metadata/";
constexpr std::size_t kMaxMessageBytes = 1024;
constexpr std::size_t kMaxViolationBytes = 2048;
constexpr std::size_t kMaxMetadataBytes = 256;

// Every reason that no caller chose.
std::string_view DefaultReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_REQUEST";
    case absl::StatusCode::kResourceExhausted:
      return "OVERLOADED";
    case absl::StatusCode::kFailedPrecondition:
      return "PRECONDITION_NOT_MET";
    case absl::StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case absl::StatusCode::kUnimplemented:
      return "NOT_IMPLEMENTED";
    case absl::StatusCode::kNotFound:
      return "NOT_FOUND";
    case absl::StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case absl::StatusCode::kUnauthenticated:
      return "UNAUTHENTICATED";
    case absl::StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case absl::StatusCode::kCancelled:
      return "CANCELLED";
    case absl::StatusCode::kAborted:
      return "ABORTED";
    default:
      return "INTERNAL";
  }
}

std::string Cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return CutToUtf8(text, limit);
  return CutToUtf8(text, limit - 3) + "...";
}

std::string Message(const absl::Status& status) {
  return Cut(std::string_view(status.message().data(), status.message().size()), kMaxMessageBytes);
}

std::string Payload(const absl::Status& status, const char* url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

absl::Status WithPayload(absl::Status status, std::string_view url, std::string_view value) {
  if (!status.ok()) status.SetPayload(absl::string_view(url.data(), url.size()), absl::Cord(std::string(value)));
  return status;
}

google::rpc::ErrorInfo MakeErrorInfo(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  const std::string reason = Payload(status, kReasonUrl);
  info.set_reason(reason.empty() ? std::string(DefaultReason(status.code())) : reason);
  info.set_domain(kDomain);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) {
    const std::string_view key(url.data(), url.size());
    if (!key.starts_with(kMetadataUrlPrefix)) return;
    (*info.mutable_metadata())[std::string(key.substr(kMetadataUrlPrefix.size()))] =
        Cut(std::string(value), kMaxMetadataBytes);
  });
  return info;
}

google::rpc::BadRequest MakeBadRequest(const std::vector<FieldError>& errors) {
  google::rpc::BadRequest bad_request;
  std::size_t bytes = 0;
  for (const FieldError& error : errors) {
    const std::string description = error.value.empty() ? error.rule : absl::StrCat(error.value, ": ", error.rule);
    bytes += error.field.size() + description.size();
    if (bytes > kMaxViolationBytes && bad_request.field_violations_size() > 0) break;
    google::rpc::BadRequest::FieldViolation& violation = *bad_request.add_field_violations();
    violation.set_field(error.field);
    violation.set_description(description);
  }
  return bad_request;
}

google::rpc::PreconditionFailure MakePreconditionFailure(const std::string& reason, const std::string& message) {
  google::rpc::PreconditionFailure failure;
  google::rpc::PreconditionFailure::Violation& violation = *failure.add_violations();
  violation.set_type(reason);
  violation.set_subject(kDomain);
  violation.set_description(Cut(message, kMaxMessageBytes / 2));
  return failure;
}

absl::Duration RetryDelay(const absl::Status& status) {
  const bool may_pass =
      status.code() == absl::StatusCode::kResourceExhausted || status.code() == absl::StatusCode::kUnavailable;
  if (!may_pass) return absl::InfiniteDuration();
  absl::Duration delay = kDefaultRetryDelay;
  const std::string stated = Payload(status, kRetryDelayUrl);
  if (!stated.empty()) absl::ParseDuration(stated, &delay);
  return delay;
}

google::rpc::RetryInfo MakeRetryInfo(absl::Duration delay) {
  google::rpc::RetryInfo info;
  WriteDuration(delay, *info.mutable_retry_delay());
  return info;
}

}  // namespace

absl::Status WithReason(absl::Status status, std::string_view reason) {
  return WithPayload(std::move(status), kReasonUrl, reason);
}

absl::Status WithMetadata(absl::Status status, std::string_view name, std::string_view value) {
  return WithPayload(std::move(status), std::string(kMetadataUrlPrefix) + std::string(name), value);
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  return WithPayload(std::move(status), kRetryDelayUrl, absl::FormatDuration(delay));
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Message(status);
  google::rpc::Status details;
  details.set_code(static_cast<std::int32_t>(status.code()));
  details.set_message(message);
  const google::rpc::ErrorInfo info = MakeErrorInfo(status);
  details.add_details()->PackFrom(info);
  const std::vector<FieldError> field_errors = FieldErrorsOf(status);
  if (!field_errors.empty()) details.add_details()->PackFrom(MakeBadRequest(field_errors));
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    details.add_details()->PackFrom(MakePreconditionFailure(info.reason(), message));
  }
  const absl::Duration retry_delay = RetryDelay(status);
  if (retry_delay < absl::InfiniteDuration()) details.add_details()->PackFrom(MakeRetryInfo(retry_delay));
  return {static_cast<grpc::StatusCode>(status.code()), message, details.SerializeAsString()};
}

}  // namespace eplb
