#include "tests/bench/fleet/bench_fleet.h"

#include <algorithm>
#include <utility>

namespace eplb {
namespace {

constexpr int kFirstModelLayer = 3;
constexpr int kExpertsApart = 37;  // between the orders of experts of neighbouring fleets
constexpr char kIncarnation[] = "i0";

std::size_t Index(int row, int width, int column) {
  return static_cast<std::size_t>(row) * static_cast<std::size_t>(width) + static_cast<std::size_t>(column);
}

}  // namespace

BenchFleet::BenchFleet(const FleetShape& shape, int index)
    : shape_(shape), index_(index), name_(absl::StrCat("bench/fleet-", index)) {
  auto layout = std::make_shared<HeldLayout>();
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (int slot = 0; slot < shape_.slots(); ++slot) layout->physical_to_logical.push_back(slot % shape_.experts);
  }
  CountReplicas(*layout);
  layout_ = std::move(layout);
}

void BenchFleet::CountReplicas(HeldLayout& layout) const {
  layout.replicas.assign(Index(shape_.layers, shape_.experts, 0), 0);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (int slot = 0; slot < shape_.slots(); ++slot) {
      const std::int32_t expert = layout.physical_to_logical[Index(layer, shape_.slots(), slot)];
      if (expert >= 0) ++layout.replicas[Index(layer, shape_.experts, expert)];
    }
  }
}

v1::StreamTelemetryRequest BenchFleet::Hello(int worker) const {
  const std::shared_ptr<const HeldLayout> held = layout();
  v1::StreamTelemetryRequest request;
  v1::TelemetryHello& hello = *request.mutable_hello();
  hello.set_worker_id(WorkerId(worker));
  hello.set_incarnation(kIncarnation);
  hello.set_first_rank(worker);
  hello.set_num_ranks(1);
  if (held->version.revision() != 0) *hello.mutable_applied() = held->version;
  v1::DeploymentSpec& spec = *hello.mutable_spec();
  spec.set_deployment(name_);
  spec.mutable_topology()->set_num_gpus(shape_.workers);
  spec.mutable_topology()->set_num_slots(shape_.slots());
  spec.set_num_experts(shape_.experts);
  spec.set_coordination_mode(shape_.all_ranks ? v1::COORDINATION_MODE_ALL_RANKS : v1::COORDINATION_MODE_ONE_SUBSCRIBER);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    spec.add_model_layers(kFirstModelLayer + layer);
    v1::LayerPlacement& current = *hello.add_current();
    current.set_model_layer(kFirstModelLayer + layer);
    const std::int32_t* row = &held->physical_to_logical[Index(layer, shape_.slots(), 0)];
    current.mutable_physical_to_logical()->Add(row, row + shape_.slots());
  }
  return request;
}

v1::WatchPlacementsRequest BenchFleet::Watch(int worker) const {
  const std::shared_ptr<const HeldLayout> held = layout();
  v1::WatchPlacementsRequest request;
  request.set_deployment(name_);
  request.set_worker_id(WorkerId(worker));
  request.set_incarnation(kIncarnation);
  if (held->version.revision() != 0) *request.mutable_resume_after() = held->version;
  return request;
}

v1::ReportPlacementStatusRequest BenchFleet::Status(int worker, const v1::PlacementVersion& version,
                                                    v1::PlacementState state) const {
  v1::ReportPlacementStatusRequest request;
  request.set_deployment(name_);
  request.set_worker_id(WorkerId(worker));
  request.set_incarnation(kIncarnation);
  *request.mutable_version() = version;
  request.set_state(state);
  return request;
}

void BenchFleet::FillReport(int worker, std::span<const double> rates, v1::LoadReport& report) const {
  const std::shared_ptr<const HeldLayout> held = layout();
  report.mutable_window()->set_seconds(1);
  if (held->version.revision() != 0) *report.mutable_placement() = held->version;
  report.clear_slot_tokens();
  const int first = worker * shape_.slots_per_worker;
  const int shift = index_ * kExpertsApart % shape_.experts;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (int slot = first; slot < first + shape_.slots_per_worker; ++slot) {
      const std::int32_t expert = held->physical_to_logical[Index(layer, shape_.slots(), slot)];
      double tokens = 0;
      if (expert >= 0) {
        tokens = rates[Index(layer, shape_.experts, (expert + shift) % shape_.experts)] /
                 held->replicas[Index(layer, shape_.experts, expert)];
      }
      report.add_slot_tokens(static_cast<std::uint64_t>(tokens));
    }
  }
}

void BenchFleet::Apply(const v1::PlacementVersion& version, const v1::PlacementUpdate& update) {
  auto next = std::make_shared<HeldLayout>(*layout());
  next->version = version;
  for (const v1::LayerPlacement& layer : update.layers()) {
    std::copy(layer.physical_to_logical().begin(), layer.physical_to_logical().end(),
              next->physical_to_logical.begin() +
                  static_cast<std::ptrdiff_t>(Index(layer.model_layer() - kFirstModelLayer, shape_.slots(), 0)));
  }
  CountReplicas(*next);
  MutexLock lock(mutex_);
  layout_ = std::move(next);
}

}  // namespace eplb
