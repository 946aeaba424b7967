#include "client/error_details.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/field_errors.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

constexpr char kRetryDelayUrl[] = "eplb/retry-delay";

// The errors that the violations name; they read as the server wrote them: field, then value and rule.
absl::Status FromBadRequest(const google::rpc::BadRequest& details) {
  FieldErrors errors;
  for (const auto& violation : details.field_violations()) errors.Add(violation.field(), "", violation.description());
  return errors.ToStatus();
}

// gRPC tells the story of its channel; what a caller wants to know is its end.
std::string EndOfStory(const std::string& message) {
  constexpr std::string_view kConnect = "Failed to connect to remote host: ";
  const std::size_t connect = message.rfind(kConnect);
  if (connect != std::string::npos) return "cannot connect: " + message.substr(connect + kConnect.size());
  if (message.find("DNS resolution failed for ") != std::string::npos) return "cannot connect: no such host name";
  return message;
}

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace

absl::Status StatusFromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  absl::Status result(
      code, status.error_message().empty() ? "the server gave no reason" : OneLine(EndOfStory(status.error_message())));
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  std::optional<absl::Duration> retry_delay;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry_info;
    if (detail.UnpackTo(&bad_request) && code == absl::StatusCode::kInvalidArgument &&
        bad_request.field_violations_size() > 0) {
      result = FromBadRequest(bad_request);
    } else if (detail.UnpackTo(&retry_info) && retry_info.has_retry_delay()) {
      retry_delay = ReadDuration(retry_info.retry_delay());
    }
  }
  if (retry_delay && *retry_delay >= absl::ZeroDuration()) {
    result.SetPayload(kRetryDelayUrl, absl::Cord(absl::FormatDuration(*retry_delay)));
  }
  return result;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryDelayUrl);
  absl::Duration delay;
  if (!payload || !absl::ParseDuration(std::string(*payload), &delay)) return std::nullopt;
  return delay;
}

}  // namespace eplb
