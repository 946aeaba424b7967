#ifndef EPLB_TESTS_BENCH_FLEET_BENCH_FLEET_H_
#define EPLB_TESTS_BENCH_FLEET_BENCH_FLEET_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// What the fleets of one run look like. Each worker is one rank with one GPU.
struct FleetShape {
  int layers = 58;
  int experts = 256;
  int workers = 32;
  int slots_per_worker = 9;
  bool all_ranks = false;

  int slots() const { return workers * slots_per_worker; }
};

// A placement as a fleet holds it.
struct HeldLayout {
  v1::PlacementVersion version;                   // unset: the first one
  std::vector<std::int32_t> physical_to_logical;  // [layers x slots]
  std::vector<std::int32_t> replicas;             // [layers x experts]
};

// One deployment of the load generator: its name, its messages, and the placement that all its workers have in force.
// Much lighter than the simulator's fleets, so that ten thousand workers leave the machine to the server. Thread-safe.
class BenchFleet {
 public:
  BenchFleet(const FleetShape& shape, int index);

  const std::string& name() const { return name_; }
  std::string WorkerId(int worker) const { return absl::StrCat("w", worker); }
  v1::StreamTelemetryRequest Hello(int worker) const;
  v1::WatchPlacementsRequest Watch(int worker) const;
  v1::ReportPlacementStatusRequest Status(int worker, const v1::PlacementVersion& version,
                                          v1::PlacementState state) const;

  // What `worker` counted in one second: `rates` [layers x experts] are tokens per second, which each fleet takes in an
  // order of experts of its own, and the replicas of an expert share.
  void FillReport(int worker, std::span<const double> rates, v1::LoadReport& report) const;

  // All workers switch to this placement.
  void Apply(const v1::PlacementVersion& version, const v1::PlacementUpdate& update) EPLB_EXCLUDES(mutex_);

 private:
  std::shared_ptr<const HeldLayout> layout() const EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return layout_;
  }
  void CountReplicas(HeldLayout& layout) const;

  const FleetShape shape_;
  const int index_;
  const std::string name_;
  mutable Mutex mutex_;
  std::shared_ptr<const HeldLayout> layout_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TESTS_BENCH_FLEET_BENCH_FLEET_H_
