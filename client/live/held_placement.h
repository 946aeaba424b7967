#ifndef EPLB_CLIENT_LIVE_HELD_PLACEMENT_H_
#define EPLB_CLIENT_LIVE_HELD_PLACEMENT_H_

#include <vector>

#include "absl/status/status.h"
#include "eplb/v1/placement.pb.h"

namespace eplb {

// -1, 0 or 1 as `a` is older than, equal to or newer than `b`: epoch first, then revision.
int CompareVersions(const v1::PlacementVersion& a, const v1::PlacementVersion& b);
// Neither field is set: the layout that the engine started with.
bool IsUnset(const v1::PlacementVersion& version);

// The placement in force at one worker or watcher: its version and its layers, whole. Not thread-safe.
class HeldPlacement {
 public:
  // layers: the layout that the engine starts with; may be empty for an onlooker, which starts with a full placement.
  explicit HeldPlacement(std::vector<v1::LayerPlacement> layers = {}) : layers_(std::move(layers)) {}

  const v1::PlacementVersion& version() const { return version_; }
  const std::vector<v1::LayerPlacement>& layers() const { return layers_; }

  // OK where the update can be applied here. FAILED_PRECONDITION: it is a delta from another version; OUT_OF_RANGE: it
  // is not newer than what is in force; INVALID_ARGUMENT: a delta names a layer, or a layer has a number of slots, that
  // the placement in force has not.
  absl::Status Check(const v1::PlacementVersion& version, const v1::PlacementVersion* base,
                     const std::vector<v1::LayerPlacement>& layers) const;
  // Applies what Check accepted: a full placement (base is null) or the layers that change.
  void Apply(const v1::PlacementVersion& version, const v1::PlacementVersion* base,
             std::vector<v1::LayerPlacement> layers);
  // Takes over what is in force elsewhere in the group.
  void Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers);

 private:
  v1::PlacementVersion version_;
  std::vector<v1::LayerPlacement> layers_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_HELD_PLACEMENT_H_
