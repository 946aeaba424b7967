#include "server/planner/deployment_control.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxCommentBytes = 1024;

// Adds the GPUs of one list to `seen`, and what is wrong with them to the errors.
void CheckList(std::string_view field, const std::vector<int>& gpus, int num_gpus, std::set<int>& seen,
               FieldErrors& errors) {
  if (gpus.size() > static_cast<std::size_t>(num_gpus)) {
    errors.Add(field, absl::StrCat(gpus.size(), " entries"), absl::StrCat("must be at most ", num_gpus));
    return;  // there may be millions
  }
  for (const int gpu : gpus) {
    if (gpu < 0 || gpu >= num_gpus) {
      errors.Add(field, absl::StrCat(gpu), absl::StrCat("must be from 0 to ", num_gpus - 1));
    } else if (!seen.insert(gpu).second) {
      errors.Add(field, absl::StrCat(gpu), "must be named once");
    }
  }
}

void CheckComment(const std::string& comment, FieldErrors& errors) {
  if (comment.size() > kMaxCommentBytes) {
    errors.Add("comment", absl::StrCat(comment.size(), " bytes"), absl::StrCat("must be at most ", kMaxCommentBytes));
  }
}

std::vector<int> ToVector(const std::set<int>& gpus) { return std::vector<int>(gpus.begin(), gpus.end()); }

}  // namespace

absl::Status ValidateControl(const DeploymentControl& control, int num_gpus) {
  FieldErrors errors;
  std::set<int> seen;
  CheckList("excluded_gpus", control.excluded_gpus, num_gpus, seen, errors);
  CheckList("draining_gpus", control.draining_gpus, num_gpus, seen, errors);
  if (errors.empty() && seen.size() == static_cast<std::size_t>(num_gpus)) {
    errors.Add("excluded_gpus", absl::StrCat(seen.size(), " excluded and draining"), "must leave a GPU");
  }
  CheckComment(control.comment, errors);
  return errors.ToStatus();
}

absl::StatusOr<DeploymentControl> ApplyControlChange(const DeploymentControl& control, const ControlChange& change,
                                                     int num_gpus, absl::Time now) {
  FieldErrors errors;
  std::set<int> seen;
  CheckList("exclude_gpus", change.exclude_gpus, num_gpus, seen, errors);
  CheckList("drain_gpus", change.drain_gpus, num_gpus, seen, errors);
  CheckList("restore_gpus", change.restore_gpus, num_gpus, seen, errors);
  CheckComment(change.comment, errors);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());

  std::set<int> excluded(control.excluded_gpus.begin(), control.excluded_gpus.end());
  std::set<int> draining(control.draining_gpus.begin(), control.draining_gpus.end());
  for (const int gpu : seen) {
    excluded.erase(gpu);
    draining.erase(gpu);
  }
  excluded.insert(change.exclude_gpus.begin(), change.exclude_gpus.end());
  draining.insert(change.drain_gpus.begin(), change.drain_gpus.end());

  DeploymentControl changed = control;
  if (change.mode) changed.mode = *change.mode;
  changed.excluded_gpus = ToVector(excluded);
  changed.draining_gpus = ToVector(draining);
  if (!change.comment.empty()) changed.comment = change.comment;
  changed.update_time = std::max(now, control.update_time + absl::Nanoseconds(1));
  EPLB_RETURN_IF_ERROR(ValidateControl(changed, num_gpus));
  return changed;
}

}  // namespace eplb
