#include "tests/support/reconnect_storm.h"

#include <utility>

#include "absl/time/clock.h"
#include "client/channel.h"
#include "server/base/check.h"

namespace eplb {
namespace {

// gRPC shares one connection between channels that look alike; the message bound makes each one its own.
std::unique_ptr<v1::EplbService::Stub> NewStub(const std::string& address, int number) {
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      NewChannel({.target = address, .max_message_bytes = (64 << 20) + number});
  EPLB_CHECK(channel.ok());
  return v1::EplbService::NewStub(*std::move(channel));
}

FleetWorkerOptions WorkerOptions(const StormOptions& options, int index) {
  const int slots = options.workers_per_deployment * options.slots_per_worker;
  FleetWorkerOptions worker;
  worker.spec.set_deployment("storm/fleet-" + std::to_string(index / options.workers_per_deployment));
  worker.spec.mutable_topology()->set_num_gpus(options.workers_per_deployment);
  worker.spec.mutable_topology()->set_num_slots(slots);
  worker.spec.set_num_experts(options.experts);
  worker.first_rank = index % options.workers_per_deployment;
  worker.num_ranks = 1;
  worker.worker_id = "w" + std::to_string(worker.first_rank);
  worker.incarnation = "i0";
  worker.watch = worker.first_rank == 0;
  worker.jitter_seed = static_cast<std::uint64_t>(index) * 1000;
  for (int layer = 0; layer < options.layers; ++layer) {
    worker.spec.add_model_layers(layer);
    v1::LayerPlacement& row = worker.initial.emplace_back();
    row.set_model_layer(layer);
    for (int slot = 0; slot < slots; ++slot) row.add_physical_to_logical(slot % options.experts);
  }
  return worker;
}

}  // namespace

// Reports even loads, so that nothing is to be moved.
class ReconnectStorm::IdleEngine final : public Engine {
 public:
  explicit IdleEngine(const StormOptions& options) : options_(options) {}

  void Prepare(std::shared_ptr<const PlacementChange> /*change*/,
               std::function<void(const absl::Status&)> done) override {
    done(absl::OkStatus());
  }
  void Activate(const PlacementChange& /*change*/) override {}
  void Discard(const PlacementChange& /*change*/) override {}
  bool TakeLoads(v1::LoadReport& report) override {
    report.mutable_window()->set_seconds(1);
    report.mutable_slot_tokens()->Resize(options_.layers * options_.slots_per_worker, 1000);
    return true;
  }

 private:
  const StormOptions& options_;
};

ReconnectStorm::ReconnectStorm(const StormOptions& options, const std::string& address) : options_(options) {
  onlooker_ = NewStub(address, -1);
  for (int i = 0; i < options_.workers; ++i) {
    if (i % options_.workers_per_channel == 0) stubs_.push_back(NewStub(address, i));
    engines_.push_back(std::make_unique<IdleEngine>(options_));
    workers_.push_back(
        std::make_unique<FleetWorker>(WorkerOptions(options_, i), *stubs_.back(), loop_, *engines_.back()));
    workers_.back()->Start();
  }
}

ReconnectStorm::~ReconnectStorm() = default;

bool ReconnectStorm::AllAreBack() {
  int live = 0;
  v1::ListDeploymentsRequest request;
  do {
    grpc::ClientContext context;
    v1::ListDeploymentsResponse response;
    if (!onlooker_->ListDeployments(&context, request, &response).ok()) return false;
    for (const v1::Deployment& deployment : response.deployments()) live += deployment.live_workers();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return live == options_.workers;
}

void ReconnectStorm::WaitUntilAllAreBack() {
  while (!AllAreBack()) absl::SleepFor(absl::Milliseconds(10));
}

std::uint64_t ReconnectStorm::Connects() const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->Stats().connects;
  return sum;
}

}  // namespace eplb
