#include "server/rpc/live_convert/control_message.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

// Unset for DEPLOYMENT_MODE_UNSPECIFIED.
std::optional<DeploymentMode> ReadMode(v1::DeploymentMode mode, const std::string& field, FieldErrors& errors) {
  switch (mode) {
    case v1::DEPLOYMENT_MODE_UNSPECIFIED:
      return std::nullopt;
    case v1::DEPLOYMENT_MODE_AUTOMATIC:
      return DeploymentMode::kAutomatic;
    case v1::DEPLOYMENT_MODE_PAUSED:
      return DeploymentMode::kPaused;
    default:
      errors.Add(field, absl::StrCat(static_cast<int>(mode)), "must be a known mode");
      return std::nullopt;
  }
}

}  // namespace

DeploymentControl ReadControl(const v1::DeploymentControl& message, std::string_view field, FieldErrors& errors) {
  const std::string mode_field = absl::StrCat(std::string(field), ".mode");
  return {
      .mode = ReadMode(message.mode(), mode_field, errors).value_or(DeploymentMode::kAutomatic),
      .excluded_gpus = {message.excluded_gpus().begin(), message.excluded_gpus().end()},
      .draining_gpus = {message.draining_gpus().begin(), message.draining_gpus().end()},
      .update_time = message.has_update_time() ? ReadTimestamp(message.update_time()) : absl::InfinitePast(),
      .comment = message.comment(),
  };
}

void WriteControl(const DeploymentControl& control, v1::DeploymentControl& message) {
  message.set_mode(control.mode == DeploymentMode::kPaused ? v1::DEPLOYMENT_MODE_PAUSED
                                                           : v1::DEPLOYMENT_MODE_AUTOMATIC);
  message.mutable_excluded_gpus()->Add(control.excluded_gpus.begin(), control.excluded_gpus.end());
  message.mutable_draining_gpus()->Add(control.draining_gpus.begin(), control.draining_gpus.end());
  if (control.update_time != absl::InfinitePast()) {
    WriteTimestamp(control.update_time, *message.mutable_update_time());
  }
  message.set_comment(control.comment);
}

ControlChange ReadControlChange(const v1::UpdateDeploymentRequest& request, FieldErrors& errors) {
  return {
      .mode = ReadMode(request.mode(), "mode", errors),
      .exclude_gpus = {request.exclude_gpus().begin(), request.exclude_gpus().end()},
      .drain_gpus = {request.drain_gpus().begin(), request.drain_gpus().end()},
      .restore_gpus = {request.restore_gpus().begin(), request.restore_gpus().end()},
      .comment = request.comment(),
  };
}

}  // namespace eplb
