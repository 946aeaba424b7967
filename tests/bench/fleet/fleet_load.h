#ifndef EPLB_TESTS_BENCH_FLEET_FLEET_LOAD_H_
#define EPLB_TESTS_BENCH_FLEET_FLEET_LOAD_H_

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "client/simulator/drifting_loads.h"
#include "tests/bench/fleet/bench_fleet.h"
#include "tests/bench/fleet/fleet_streams.h"

namespace eplb {

struct FleetLoadOptions {
  FleetShape shape = {};
  int deployments = 1;
  int channels = 8;
  absl::Duration report_interval = absl::Seconds(1);
};

// Fleets of workers, each on a stream of its own: they say hello, report their drifting loads at the interval, evenly
// spread over it, whatever interval the server asks for, and apply placements at once. Where all ranks watch, each
// one prepares and applies; else the worker of rank 0 does for its fleet.
class FleetLoad {
 public:
  FleetLoad(const FleetLoadOptions& options, const std::string& address);
  ~FleetLoad();

  // Returns once all hellos were answered and all watches are open.
  void Connect();
  // Every worker sends `reports` reports, one each interval; returns at once.
  void StartReports(int reports);
  // Waits until all are sent, and acknowledged or `patience` is over.
  void FinishReports(absl::Duration patience);
  // Breaks all streams off and waits for their end.
  void Disconnect();

  int workers() const { return options_.deployments * options_.shape.workers; }
  std::uint64_t sent() const;
  std::uint64_t acknowledged() const;
  int broken() const;
  // Reports that had to wait for the one before.
  std::uint64_t late() const { return late_; }
  const LatencyLog& acknowledgements() const { return acknowledgements_; }

  // When each version came to the first and to the last of the fleet's watchers, and how many there were. Fleet 0 only.
  struct Arrivals {
    absl::Time last_placement = absl::InfinitePast();
    absl::Time last_commit = absl::InfinitePast();
    int placements = 0;
    int commits = 0;
  };
  std::map<std::pair<std::int64_t, std::int64_t>, Arrivals> arrivals() const EPLB_EXCLUDES(mutex_);

 private:
  struct Worker {
    int fleet = 0;
    int rank = 0;
    std::unique_ptr<ReportStream> reports;
    std::unique_ptr<EventStream> events;  // null: it does not watch
  };

  void OnEvent(Worker& worker, const EventHead& head, const grpc::ByteBuffer& bytes) EPLB_EXCLUDES(mutex_);
  void NoteArrival(const EventHead& head) EPLB_EXCLUDES(mutex_);
  void Pace(int reports);
  BenchFleet& fleet(const Worker& worker) { return *fleets_[static_cast<std::size_t>(worker.fleet)]; }
  v1::EplbService::Stub& stub(const Worker& worker) { return channels_.stub(worker.fleet + worker.rank); }

  const FleetLoadOptions options_;
  SharedChannels channels_;
  OpenCount open_;
  LatencyLog acknowledgements_;
  std::vector<std::unique_ptr<BenchFleet>> fleets_;
  std::deque<Worker> workers_;
  std::atomic<int> greeted_{0};
  std::atomic<int> watching_{0};
  std::atomic<std::uint64_t> late_{0};
  DriftingLoads loads_;
  std::thread pacer_;
  mutable Mutex mutex_;
  std::map<std::pair<std::int64_t, std::int64_t>, Arrivals> arrivals_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TESTS_BENCH_FLEET_FLEET_LOAD_H_
