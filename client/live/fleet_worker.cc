#include "client/live/fleet_worker.h"

#include <utility>

#include "client/live/fleet_worker_core.h"

namespace eplb {
namespace {

constexpr absl::Duration kGoodbyePatience = absl::Seconds(5);  // with a server that does not answer it

}  // namespace

FleetWorker::FleetWorker(FleetWorkerOptions options, v1::EplbService::Stub& stub, EventLoop& loop, Engine& engine)
    : loop_(loop), core_(std::make_shared<Core>(std::move(options), stub, loop, engine)) {}

FleetWorker::~FleetWorker() { Stop(false); }

void FleetWorker::Start() {
  loop_.Post([core = core_] { core->Start(); });
}

void FleetWorker::Stop(bool departing) {
  loop_.RunAndWait([&] { core_->Stop(departing); });
  if (loop_.IsThisThread() || core_->calls().WaitForNone(kGoodbyePatience)) return;
  loop_.RunAndWait([&] { core_->BreakOff(); });
  core_->calls().WaitForNone(absl::InfiniteDuration());
}

void FleetWorker::Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers) {
  loop_.Post(
      [core = core_, version, layers = std::move(layers)]() mutable { core->Adopt(version, std::move(layers)); });
}

FleetWorkerStats FleetWorker::Stats() const {
  FleetWorkerStats stats;
  loop_.RunAndWait([&] { stats = core_->Stats(); });
  return stats;
}

std::vector<v1::LayerPlacement> FleetWorker::Layers() const {
  std::vector<v1::LayerPlacement> layers;
  loop_.RunAndWait([&] { layers = core_->layers(); });
  return layers;
}

}  // namespace eplb
