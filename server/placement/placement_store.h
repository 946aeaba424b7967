#ifndef EPLB_SERVER_PLACEMENT_PLACEMENT_STORE_H_
#define EPLB_SERVER_PLACEMENT_PLACEMENT_STORE_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/placement/versioned_placement.h"

namespace eplb {

// Keeps the contents of placement versions, so that watchers can go on from what they hold. Soft state: what it has
// lost costs a full placement where a delta would have done. Thread-safe; calls are quick and never block on I/O.
class PlacementStore {
 public:
  virtual ~PlacementStore() = default;

  // Adds a version; one that is there already stays as it is.
  virtual void Put(std::string_view deployment, const VersionedPlacement& placement) = 0;
  // Nothing where the version was never put, or is kept no longer.
  virtual std::optional<VersionedPlacement> Get(std::string_view deployment, PlacementVersion version) const = 0;
  // Drops all versions of a deployment.
  virtual void Forget(std::string_view deployment) = 0;
};

// In memory; keeps the versions of each deployment that were put last.
class InMemoryPlacementStore final : public PlacementStore {
 public:
  // capacity >= 1 versions of each deployment.
  explicit InMemoryPlacementStore(int capacity);

  void Put(std::string_view deployment, const VersionedPlacement& placement) override EPLB_EXCLUDES(mutex_);
  std::optional<VersionedPlacement> Get(std::string_view deployment, PlacementVersion version) const override
      EPLB_EXCLUDES(mutex_);
  void Forget(std::string_view deployment) override EPLB_EXCLUDES(mutex_);

 private:
  const std::size_t capacity_;
  mutable Mutex mutex_;
  std::map<std::string, std::deque<VersionedPlacement>, std::less<>> versions_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLACEMENT_PLACEMENT_STORE_H_
