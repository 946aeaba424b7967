#ifndef EPLB_TESTS_SUPPORT_ERROR_DETAILS_H_
#define EPLB_TESTS_SUPPORT_ERROR_DETAILS_H_

#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace eplb {

// The detail of that type that a status carries; nullopt where it has none.
template <typename Detail>
std::optional<Detail> FindDetail(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& any : details.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

// "field: description" of each field violation.
inline std::vector<std::string> Violations(const grpc::Status& status) {
  std::vector<std::string> violations;
  const auto bad_request = FindDetail<google::rpc::BadRequest>(status);
  if (!bad_request) return violations;
  for (const auto& violation : bad_request->field_violations()) {
    violations.push_back(violation.field() + ": " + violation.description());
  }
  return violations;
}

// Reason of ErrorInfo; empty where there is none.
inline std::string Reason(const grpc::Status& status) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

// RESOURCE_EXHAUSTED as a server sends it that asks to come back after these seconds.
inline grpc::Status BusyStatus(int seconds) {
  google::rpc::RetryInfo retry_info;
  retry_info.mutable_retry_delay()->set_seconds(seconds);
  google::rpc::Status details;
  details.add_details()->PackFrom(retry_info);
  return {grpc::StatusCode::RESOURCE_EXHAUSTED, "busy", details.SerializeAsString()};
}

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_ERROR_DETAILS_H_
