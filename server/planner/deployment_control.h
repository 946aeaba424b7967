#ifndef EPLB_SERVER_PLANNER_DEPLOYMENT_CONTROL_H_
#define EPLB_SERVER_PLANNER_DEPLOYMENT_CONTROL_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eplb {

// Whether a deployment is rebalanced by itself.
enum class DeploymentMode { kAutomatic, kPaused };

// What operators have set for a deployment. The workers are told of it and hand it back in their hellos, so that it
// survives the service: the newest update_time wins.
struct DeploymentControl {
  DeploymentMode mode = DeploymentMode::kAutomatic;
  std::vector<int> excluded_gpus = {};            // taken for dead: hold nothing that counts; rising
  std::vector<int> draining_gpus = {};            // get no expert, but can be copied from; rising
  absl::Time update_time = absl::InfinitePast();  // InfinitePast: never changed
  std::string comment = {};                       // why, as the operator said it

  bool operator==(const DeploymentControl&) const = default;
};

// A change to a control. Lists add and take away, so that two operators do not undo each other.
struct ControlChange {
  std::optional<DeploymentMode> mode = {};  // unset: as before
  std::vector<int> exclude_gpus = {};
  std::vector<int> drain_gpus = {};
  std::vector<int> restore_gpus = {};  // to use again, excluded or draining
  std::string comment = {};            // at most 1024 bytes; empty: the former one stays
};

// The control after a change at `now`, which is made later than the former one so that it wins. INVALID_ARGUMENT where
// a GPU is not in [0, num_gpus), is in several lists, or where no GPU would be left; nothing is changed then.
absl::StatusOr<DeploymentControl> ApplyControlChange(const DeploymentControl& control, const ControlChange& change,
                                                     int num_gpus, absl::Time now);

// Checks a control that a hello hands back: INVALID_ARGUMENT as above.
absl::Status ValidateControl(const DeploymentControl& control, int num_gpus);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_DEPLOYMENT_CONTROL_H_
