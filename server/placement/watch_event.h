#ifndef EPLB_SERVER_PLACEMENT_WATCH_EVENT_H_
#define EPLB_SERVER_PLACEMENT_WATCH_EVENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/model/placement_version.h"
#include "server/placement/versioned_placement.h"

namespace eplb {

// When a placement takes effect.
enum class Activation {
  kImmediate,  // apply now
  kOnCommit,   // stage, report PREPARED, switch on the commit of this version, drop it on the abort
};

// A new placement as one watcher is told of it. Watchers that hold the same base get the same object, so that its
// serialised bytes can be kept beside its address. Immutable.
struct PlacementUpdate {
  VersionedPlacement target;        // what to go to
  bool full = true;                 // all layers, no base
  PlacementVersion base = {};       // of a delta: the version that it applies to, never unset
  std::vector<int> changed_layers;  // of a delta: ordinals of the layers that differ, rising
  // Of a delta: copies that lead there from base, ordered by step. Null with a full placement.
  std::shared_ptr<const std::vector<Transfer>> transfers;
  Activation activation = Activation::kImmediate;
  PlacementVersion requested_base = {};  // what the watcher held; unset: a full placement was asked for
};

// One event of a watch.
struct WatchEvent {
  enum class Kind { kUpdate, kBookmark, kCommit, kAbort, kDraining };

  Kind kind = Kind::kBookmark;
  PlacementVersion version = {};                            // what it is about; unset with kDraining
  std::shared_ptr<const PlacementUpdate> update = nullptr;  // kUpdate only, never null there
  std::string worker_id = {};                             // kAbort: who could not prepare; empty: nobody in particular
  std::string detail = {};                                // kAbort: why, for people
  absl::Duration reconnect_delay = absl::ZeroDuration();  // kDraining: to wait first, with jitter
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_WATCH_EVENT_H_
