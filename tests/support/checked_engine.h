#ifndef EPLB_TESTS_SUPPORT_CHECKED_ENGINE_H_
#define EPLB_TESTS_SUPPORT_CHECKED_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/live/fleet_worker.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb::testing {

// [layers][slots] logical experts.
using Layout = std::vector<std::vector<std::int32_t>>;

// What the engines of one deployment found out about what they were told, together. Thread-safe.
class ConsistencyLog {
 public:
  using Version = std::pair<std::int64_t, std::int64_t>;  // epoch, revision

  // A worker put this version in force. The same version with other contents is a violation.
  void Applied(const Version& version, const Layout& layout) EPLB_EXCLUDES(mutex_);
  void Violate(std::string what) EPLB_EXCLUDES(mutex_);

  std::vector<std::string> violations() const EPLB_EXCLUDES(mutex_);
  // How often any worker was told, or did, anything.
  int events() const EPLB_EXCLUDES(mutex_);
  void CountEvent() EPLB_EXCLUDES(mutex_);
  Version newest() const EPLB_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::map<Version, Layout> contents_ EPLB_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ EPLB_GUARDED_BY(mutex_);
  int events_ EPLB_GUARDED_BY(mutex_) = 0;
};

// An engine that believes nothing: a version must be newer than the one in force, a delta must start from it, and its
// transfers must lead, step by step, through layouts that lack no expert, to the layers that it names.
class CheckedEngine final : public Engine {
 public:
  // Reports made-up loads of its slots. The log must outlive it.
  CheckedEngine(std::string name, Layout initial, int num_experts, int first_slot, int num_slots, ConsistencyLog& log);

  void Prepare(std::shared_ptr<const PlacementChange> change, std::function<void(const absl::Status&)> done) override;
  void Activate(const PlacementChange& change) override;
  void Discard(const PlacementChange& /*change*/) override { log_.CountEvent(); }
  bool TakeLoads(v1::LoadReport& report) override;

  // Called after each Activate, on the loop, with the layout in force.
  std::function<void(const PlacementChange& change, const Layout& layout)> on_activated;
  // Takes over what another worker of the group has put in force.
  void Adopt(const PlacementChange& change, const Layout& layout);

 private:
  void CheckVersions(const PlacementChange& change);
  void CheckTransfers(const PlacementChange& change, const Layout& target);
  Layout Resulting(const PlacementChange& change) const;
  bool HasAllExperts(const std::vector<std::int32_t>& slots) const;

  const std::string name_;
  const int num_experts_;
  const int first_slot_;
  const int num_slots_;
  ConsistencyLog& log_;
  ConsistencyLog::Version version_;
  Layout layout_;
  int reports_ = 0;
};

// The layers of a layout, numbered from 0.
std::vector<v1::LayerPlacement> LayersOf(const Layout& layout);

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_CHECKED_ENGINE_H_
