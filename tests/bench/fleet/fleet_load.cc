#include "tests/bench/fleet/fleet_load.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace eplb {
namespace {

constexpr int kHellosAtOnce = 64;
constexpr absl::Duration kPacerStep = absl::Milliseconds(1);

}  // namespace

FleetLoad::FleetLoad(const FleetLoadOptions& options, const std::string& address)
    : options_(options),
      channels_(address, options.channels),
      loads_({.num_layers = options.shape.layers, .num_experts = options.shape.experts}) {
  for (int i = 0; i < options_.deployments; ++i) fleets_.push_back(std::make_unique<BenchFleet>(options_.shape, i));
  for (int i = 0; i < workers(); ++i) {
    Worker& worker = workers_.emplace_back();
    worker.fleet = i / options_.shape.workers;
    worker.rank = i % options_.shape.workers;
    worker.reports =
        std::make_unique<ReportStream>(fleet(worker), worker.rank, open_, acknowledgements_, [this] { ++greeted_; });
    if (worker.rank > 0 && !options_.shape.all_ranks) continue;
    worker.events = std::make_unique<EventStream>(
        open_, [this, &worker](const EventHead& head, const grpc::ByteBuffer& bytes) { OnEvent(worker, head, bytes); });
  }
}

FleetLoad::~FleetLoad() {
  if (pacer_.joinable()) pacer_.join();
  Disconnect();
}

void FleetLoad::Connect() {
  int started = 0;
  for (Worker& worker : workers_) {
    while (started - greeted_ >= kHellosAtOnce) absl::SleepFor(absl::Milliseconds(1));
    worker.reports->Start(stub(worker));
    ++started;
  }
  while (greeted_ < started) absl::SleepFor(absl::Milliseconds(1));
  int watches = 0;
  for (Worker& worker : workers_) {
    if (worker.events == nullptr) continue;
    worker.events->Start(channels_.generic(worker.fleet + worker.rank), fleet(worker).Watch(worker.rank));
    ++watches;
  }
  while (watching_ < watches) absl::SleepFor(absl::Milliseconds(1));
}

// The first event of each watch is a bookmark, or the placement in force.
void FleetLoad::OnEvent(Worker& worker, const EventHead& head, const grpc::ByteBuffer& bytes) {
  const bool placement = head.kind == v1::WatchPlacementsResponse::kPlacement;
  const bool commit = head.kind == v1::WatchPlacementsResponse::kCommit;
  if (head.kind == v1::WatchPlacementsResponse::kBookmark) ++watching_;
  if (!placement && !commit) return;
  if (worker.fleet == 0) NoteArrival(head);
  const bool prepare = placement && options_.shape.all_ranks;
  if (placement && worker.rank == 0) fleet(worker).Apply(head.version, ParseEvent(bytes).placement());
  TellStatus(stub(worker),
             fleet(worker).Status(worker.rank, head.version,
                                  prepare ? v1::PLACEMENT_STATE_PREPARED : v1::PLACEMENT_STATE_APPLIED),
             open_);
}

void FleetLoad::NoteArrival(const EventHead& head) {
  MutexLock lock(mutex_);
  Arrivals& arrivals = arrivals_[{head.version.epoch(), head.version.revision()}];
  const bool placement = head.kind == v1::WatchPlacementsResponse::kPlacement;
  ++(placement ? arrivals.placements : arrivals.commits);
  absl::Time& last = placement ? arrivals.last_placement : arrivals.last_commit;
  last = std::max(last, head.arrival);
}

std::map<std::pair<std::int64_t, std::int64_t>, FleetLoad::Arrivals> FleetLoad::arrivals() const {
  MutexLock lock(mutex_);
  return arrivals_;
}

void FleetLoad::StartReports(int reports) {
  pacer_ = std::thread([this, reports] { Pace(reports); });
}

void FleetLoad::Pace(int reports) {
  const absl::Time start = absl::Now();
  std::vector<Worker*> waiting;
  const auto send = [&](Worker& worker) {
    if (worker.reports->broken() || worker.reports->Send(loads_.rates())) return;
    waiting.push_back(&worker);
  };
  for (int round = 0; round < reports; ++round) {
    loads_.AdvanceTo(absl::ToDoubleSeconds(options_.report_interval) * round);
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      const double turn = round + static_cast<double>(i) / static_cast<double>(workers_.size());
      const absl::Time due = start + turn * options_.report_interval;
      while (absl::Now() < due) {
        absl::SleepFor(kPacerStep);
        for (Worker* worker : std::exchange(waiting, {})) send(*worker);
      }
      send(workers_[i]);
      if (!waiting.empty() && waiting.back() == &workers_[i]) ++late_;
    }
  }
  while (!waiting.empty()) {
    absl::SleepFor(kPacerStep);
    for (Worker* worker : std::exchange(waiting, {})) send(*worker);
  }
}

void FleetLoad::FinishReports(absl::Duration patience) {
  pacer_.join();
  const absl::Time deadline = absl::Now() + patience;
  while (acknowledged() < sent() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
}

void FleetLoad::Disconnect() {
  for (Worker& worker : workers_) {
    worker.reports->Cancel();
    if (worker.events != nullptr) worker.events->Cancel();
  }
  open_.WaitForNone();
}

std::uint64_t FleetLoad::sent() const {
  std::uint64_t sum = 0;
  for (const Worker& worker : workers_) sum += worker.reports->sent();
  return sum;
}

std::uint64_t FleetLoad::acknowledged() const {
  std::uint64_t sum = 0;
  for (const Worker& worker : workers_) sum += worker.reports->acknowledged();
  return sum;
}

int FleetLoad::broken() const {
  return static_cast<int>(
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.reports->broken(); }));
}

}  // namespace eplb
