#include "client/simulator/simulated_fleet.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/live/held_placement.h"
#include "client/simulator/series_loads.h"
#include "server/base/clock.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/contiguous_placement.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

constexpr absl::Duration kScoreInterval = absl::Milliseconds(250);
constexpr int kFirstModelLayer = 3;  // of made-up traffic; DeepSeek-V3's first three layers are dense

std::vector<int> ModelLayers(const FleetOptions& options) {
  if (options.series != nullptr) return options.series->model_layers();
  std::vector<int> layers(static_cast<std::size_t>(options.drift.num_layers));
  std::iota(layers.begin(), layers.end(), kFirstModelLayer);
  return layers;
}

std::unique_ptr<Traffic> NewTraffic(const FleetOptions& options) {
  if (options.series != nullptr) return std::make_unique<SeriesLoads>(options.series, options.sub_window_seconds);
  return std::make_unique<DriftingLoads>(options.drift);
}

}  // namespace

// One worker's ranks: counts tokens by slot, and stages weights at the speed of its links.
class SimulatedFleet::WorkerEngine final : public Engine {
 public:
  WorkerEngine(SimulatedFleet& fleet, int index)
      : fleet_(fleet), index_(index), random_(fleet.options_.seed * 7919 + static_cast<std::uint64_t>(index)) {}

  void Prepare(std::shared_ptr<const PlacementChange> change, std::function<void(const absl::Status&)> done) override {
    const FaultOptions& faults = fleet_.options_.faults;
    if (index_ == faults.rejecting_worker && Unit() < faults.reject_probability) {
      done(absl::ResourceExhaustedError("simulated: no memory to stage the weights"));
      return;
    }
    const std::vector<int> fetches = fleet_.FetchesByGpu(*change);
    const int most = *std::max_element(fetches.begin(), fetches.end());
    staged_ = change->version;
    // One subscriber tells for its group, a rank of many for its own GPUs.
    const int per_worker = fleet_.topology_.num_gpus() / fleet_.options_.num_workers;
    const auto first = fleet_.options_.all_ranks ? fetches.begin() + index_ * per_worker : fetches.begin();
    const auto last = fleet_.options_.all_ranks ? first + per_worker : fetches.end();
    staged_bytes_ = std::accumulate(first, last, std::int64_t{0}) * fleet_.options_.bytes_per_expert;
    int steps = 1;
    for (const v1::Transfer& transfer : change->transfers) steps = std::max(steps, transfer.step() + 1);
    absl::Duration time =
        absl::Seconds(most * static_cast<double>(fleet_.options_.bytes_per_expert) / fleet_.options_.bytes_per_second) +
        steps * fleet_.options_.latency;
    if (index_ == faults.slow_worker) time += absl::Seconds(faults.slow_seconds);
    fleet_.loop_.PostAfter(time, [done = std::move(done)] { done(absl::OkStatus()); });
  }
  void Activate(const PlacementChange& change) override { fleet_.OnActivated(index_, change); }
  void Discard(const PlacementChange& /*change*/) override {}
  std::int64_t FetchedBytes(const PlacementChange& change) override {
    return CompareVersions(change.version, staged_) == 0 ? staged_bytes_ : 0;
  }
  void OnError(const absl::Status& error) override {
    ++fleet_.figures_.errors;
    fleet_.figures_.last_error = absl::StrCat("worker ", index_, ": ", error.ToString());
  }

  bool TakeLoads(v1::LoadReport& report) override {
    fleet_.Advance();
    const absl::Duration now = RealClock().Monotonic();
    const double seconds = absl::ToDoubleSeconds(now - since_);
    if (seconds <= 0) return false;
    since_ = now;
    WriteDuration(absl::Seconds(seconds), *report.mutable_window());
    WriteTimestamp(absl::Now() + absl::Seconds(fleet_.options_.faults.clock_skew_seconds), *report.mutable_end_time());
    report.set_steps(static_cast<std::uint64_t>(std::max(1.0, seconds * 20)));
    AddTokens(seconds, *report.mutable_slot_tokens());
    return true;
  }

  void Restart() { since_ = RealClock().Monotonic(); }

  // How often the next report gets to the service.
  int Copies() {
    if (Unit() < fleet_.options_.faults.loss_probability) return 0;
    return Unit() < fleet_.options_.faults.duplicate_probability ? 2 : 1;
  }

 private:
  double Unit() {
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(random_ >> 11U) * 0x1p-53;
  }

  void AddTokens(double seconds, google::protobuf::RepeatedField<std::uint64_t>& tokens) {
    const Topology& topology = fleet_.topology_;
    const int per_worker = topology.num_gpus() / fleet_.options_.num_workers;
    const int first = topology.first_slot(index_ * per_worker);
    const int last = topology.first_slot((index_ + 1) * per_worker);
    const std::size_t experts = static_cast<std::size_t>(fleet_.contiguous_.num_experts());
    const std::span<const double> rates = fleet_.traffic_->rates();
    tokens.Reserve(static_cast<int>(fleet_.slots_.size()) * (last - first));
    for (std::size_t layer = 0; layer < fleet_.slots_.size(); ++layer) {
      for (int slot = first; slot < last; ++slot) {
        const std::int32_t expert = fleet_.slots_[layer][static_cast<std::size_t>(slot)];
        if (expert == kEmptySlot) {
          tokens.Add(0);
          continue;
        }
        const auto e = static_cast<std::size_t>(expert);
        const double expected = seconds * rates[layer * experts + e] / fleet_.replicas_[layer][e];
        // Counts are noisy, as token counts are: a cheap stand-in for Poisson's standard deviation.
        const double noise = (Unit() + Unit() - 1.0) * 2.4 * std::sqrt(expected);
        tokens.Add(static_cast<std::uint64_t>(std::max(0.0, expected + noise)));
      }
    }
  }

  SimulatedFleet& fleet_;
  const int index_;
  std::uint64_t random_;
  v1::PlacementVersion staged_;
  std::int64_t staged_bytes_ = 0;
  absl::Duration since_ = RealClock().Monotonic();
};

absl::StatusOr<std::unique_ptr<SimulatedFleet>> SimulatedFleet::Create(FleetOptions options,
                                                                       v1::EplbService::Stub& stub, EventLoop& loop) {
  EPLB_ASSIGN_OR_RETURN(Topology topology, Topology::Create(options.topology));
  if (options.num_workers < 1 || topology.num_gpus() % options.num_workers != 0) {
    return FieldErrorStatus("workers", absl::StrCat(options.num_workers),
                            absl::StrCat("must divide the GPUs, ", topology.num_gpus()));
  }
  const FaultOptions& faults = options.faults;
  for (const int worker : {faults.rejecting_worker, faults.slow_worker, faults.slow_reader, faults.dead_worker,
                           faults.restarting_worker}) {
    if (worker < -1 || worker >= options.num_workers) {
      return FieldErrorStatus("faulty worker", absl::StrCat(worker),
                              absl::StrCat("must be one of the workers, 0 to ", options.num_workers - 1));
    }
  }
  const int layers = options.series != nullptr ? options.series->shape().layers : options.drift.num_layers;
  const int experts = options.series != nullptr ? options.series->shape().experts : options.drift.num_experts;
  EPLB_ASSIGN_OR_RETURN(Placement contiguous, ContiguousPlacement(layers, experts, topology));
  return std::unique_ptr<SimulatedFleet>(
      new SimulatedFleet(std::move(options), std::move(topology), std::move(contiguous), stub, loop));
}

SimulatedFleet::SimulatedFleet(FleetOptions options, Topology topology, Placement contiguous,
                               v1::EplbService::Stub& stub, EventLoop& loop)
    : options_(std::move(options)),
      topology_(std::move(topology)),
      contiguous_(std::move(contiguous)),
      stub_(stub),
      loop_(loop),
      model_layers_(ModelLayers(options_)),
      traffic_(NewTraffic(options_)) {
  for (int layer = 0; layer < contiguous_.num_layers(); ++layer) {
    const std::span<const std::int32_t> slots = contiguous_.layer(layer);
    slots_.emplace_back(slots.begin(), slots.end());
    replicas_.push_back(CountReplicas(slots, contiguous_.num_experts()));
  }
  for (int index = 0; index < options_.num_workers; ++index) {
    engines_.push_back(std::make_unique<WorkerEngine>(*this, index));
    workers_.push_back(MakeWorker(index, 0));
  }
}

SimulatedFleet::~SimulatedFleet() {
  Stop();
  loop_.RunAndWait([this] { *alive_ = false; });
}

std::vector<v1::LayerPlacement> SimulatedFleet::LayersInForce() const {
  std::vector<v1::LayerPlacement> layers(slots_.size());
  for (std::size_t layer = 0; layer < slots_.size(); ++layer) {
    layers[layer].set_model_layer(model_layers_[layer]);
    layers[layer].mutable_physical_to_logical()->Assign(slots_[layer].begin(), slots_[layer].end());
  }
  return layers;
}

std::unique_ptr<FleetWorker> SimulatedFleet::MakeWorker(int index, int incarnation) {
  const int per_worker = topology_.num_gpus() / options_.num_workers;
  FleetWorkerOptions worker{.spec = {},
                            .worker_id = absl::StrCat("worker-", index),
                            .incarnation = absl::StrCat(options_.seed, "-", index, "-", incarnation),
                            .first_rank = index * per_worker,
                            .num_ranks = per_worker,
                            .initial = LayersInForce(),
                            .watch = options_.all_ranks || index == 0,
                            .jitter_seed = options_.seed * 104729 + static_cast<std::uint64_t>(index),
                            .user_agent = "eplb-simulator",
                            .faults = WorkerFaults(index)};
  v1::DeploymentSpec& spec = worker.spec;
  spec.set_deployment(options_.deployment);
  spec.mutable_topology()->set_num_gpus(topology_.num_gpus());
  spec.mutable_topology()->set_num_nodes(topology_.num_nodes());
  spec.mutable_topology()->set_num_groups(topology_.num_groups());
  spec.mutable_topology()->set_num_slots(topology_.num_slots());
  spec.mutable_model_layers()->Assign(model_layers_.begin(), model_layers_.end());
  spec.set_num_experts(contiguous_.num_experts());
  spec.set_bytes_per_expert(options_.bytes_per_expert);
  spec.set_coordination_mode(options_.all_ranks ? v1::COORDINATION_MODE_ALL_RANKS
                                                : v1::COORDINATION_MODE_ONE_SUBSCRIBER);
  return std::make_unique<FleetWorker>(std::move(worker), stub_, loop_, *engines_[static_cast<std::size_t>(index)]);
}

void SimulatedFleet::Start() {
  loop_.Post([this, alive = alive_] {
    if (!*alive) return;
    started_ = RealClock().Monotonic();
    history_.Mark(0, "start");
    for (const auto& engine : engines_) engine->Restart();
    for (const auto& worker : workers_) worker->Start();
    ScheduleFaults();
    Score();
  });
}

void SimulatedFleet::Stop() {
  loop_.RunAndWait([this] {
    stopped_ = true;
    for (const auto& worker : workers_) {
      if (worker != nullptr) worker->Stop(true);
    }
  });
}

void SimulatedFleet::ScheduleFaults() {
  const FaultOptions& faults = options_.faults;
  const auto stop = [this](int worker) {
    auto& slot = workers_[static_cast<std::size_t>(worker)];
    if (slot == nullptr) return;
    slot->Stop(false);
    retired_.push_back(std::move(slot));
  };
  if (faults.dead_worker >= 0) {
    loop_.PostAfter(absl::Seconds(faults.dead_at), [this, alive = alive_, stop] {
      if (*alive && !stopped_) stop(options_.faults.dead_worker);
    });
  }
  if (faults.restarting_worker >= 0) {
    loop_.PostAfter(absl::Seconds(faults.restart_at), [this, alive = alive_, stop] {
      if (*alive && !stopped_) stop(options_.faults.restarting_worker);
    });
    loop_.PostAfter(absl::Seconds(faults.restart_at + faults.restart_for), [this, alive = alive_] {
      if (!*alive || stopped_) return;
      const int worker = options_.faults.restarting_worker;
      engines_[static_cast<std::size_t>(worker)]->Restart();
      workers_[static_cast<std::size_t>(worker)] = MakeWorker(worker, 1);
      // A pod that comes back loads the weights that its group has in force.
      workers_[static_cast<std::size_t>(worker)]->Adopt(figures_.version, LayersInForce());
      workers_[static_cast<std::size_t>(worker)]->Start();
    });
  }
}

void SimulatedFleet::Advance() { traffic_->AdvanceTo(absl::ToDoubleSeconds(RealClock().Monotonic() - started_)); }

void SimulatedFleet::Score() {
  if (stopped_) return;
  Advance();
  BalanceMeter meter(topology_);
  std::vector<LayerBalance> in_force;
  std::vector<LayerBalance> contiguous;
  const auto experts = static_cast<std::size_t>(contiguous_.num_experts());
  for (std::size_t layer = 0; layer < slots_.size(); ++layer) {
    const std::span<const double> rates = traffic_->rates().subspan(layer * experts, experts);
    in_force.push_back(meter.Measure(slots_[layer], rates));
    contiguous.push_back(meter.Measure(contiguous_.layer(static_cast<int>(layer)), rates));
  }
  figures_.step_time = StepTime(in_force);
  figures_.contiguous_step_time = StepTime(contiguous);
  figures_.balancedness = MeanBalancedness(in_force);
  const double now = absl::ToDoubleSeconds(RealClock().Monotonic() - started_);
  NoteEvents(now);
  history_.Add(now, figures_.step_time);
  weighted_step_time_ += figures_.step_time * (now - last_scored_);
  weighted_contiguous_ += figures_.contiguous_step_time * (now - last_scored_);
  last_scored_ = now;
  if (now > 0) {
    figures_.mean_step_time = weighted_step_time_ / now;
    figures_.mean_contiguous_step_time = weighted_contiguous_ / now;
  }
  loop_.PostAfter(kScoreInterval, [this, alive = alive_] {
    if (*alive) Score();
  });
}

void SimulatedFleet::NoteEvents(double now) {
  const double shift_at = options_.drift.shift_at;
  if (options_.series == nullptr && shift_at >= 0 && now >= shift_at && !shift_noted_) {
    shift_noted_ = true;
    history_.Mark(now, "traffic shifts");
  }
  const int connected = ConnectedWorkers();
  if (connected == 0 && figures_.connected_workers > 0) {
    outage_ = history_.Mark(now, "service lost");
    outage_since_ = now;
  } else if (connected > 0 && outage_) {
    history_.Rename(*outage_, absl::StrFormat("service lost for %.1f s", now - outage_since_));
    outage_.reset();
  }
  figures_.connected_workers = connected;
}

int SimulatedFleet::ConnectedWorkers() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker != nullptr && worker->Stats().connected;
  }));
}

// Rows of layers are in rising order of their model layers.
std::size_t SimulatedFleet::RowOf(int model_layer) const {
  return static_cast<std::size_t>(std::lower_bound(model_layers_.begin(), model_layers_.end(), model_layer) -
                                  model_layers_.begin());
}

FleetWorkerFaults SimulatedFleet::WorkerFaults(int index) {
  const FaultOptions& faults = options_.faults;
  FleetWorkerFaults worker;
  if (faults.loss_probability > 0 || faults.duplicate_probability > 0) {
    worker.report_copies = [engine = engines_[static_cast<std::size_t>(index)].get()] { return engine->Copies(); };
  }
  if (index == faults.slow_reader) worker.read_pause = absl::Seconds(faults.slow_reader_seconds);
  return worker;
}

std::vector<int> SimulatedFleet::FetchesByGpu(const PlacementChange& change) const {
  std::vector<int> on_gpu(static_cast<std::size_t>(topology_.num_gpus()), 0);
  for (const v1::LayerPlacement& layer : change.layers) {
    const std::size_t row = RowOf(layer.model_layer());
    for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
      const auto first = slots_[row].begin() + topology_.first_slot(gpu);
      const auto last = slots_[row].begin() + topology_.first_slot(gpu + 1);
      for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = layer.physical_to_logical(slot);
        if (expert == kEmptySlot || std::find(first, last, expert) != last) continue;
        ++on_gpu[static_cast<std::size_t>(gpu)];
      }
    }
  }
  return on_gpu;
}

void SimulatedFleet::OnActivated(int worker, const PlacementChange& change) {
  // In the all-ranks mode every worker tells of the same change: the first one switches the model of the fleet.
  const bool known =
      change.version.epoch() == figures_.version.epoch() && change.version.revision() == figures_.version.revision();
  if (known) return;
  const std::vector<int> on_gpu = FetchesByGpu(change);
  const int fetches = std::accumulate(on_gpu.begin(), on_gpu.end(), 0);
  figures_.fetched_experts += fetches;
  figures_.fetched_bytes += fetches * options_.bytes_per_expert;
  ++figures_.switches;
  for (const v1::LayerPlacement& layer : change.layers) {
    const std::size_t row = RowOf(layer.model_layer());
    slots_[row].assign(layer.physical_to_logical().begin(), layer.physical_to_logical().end());
    replicas_[row] = CountReplicas(slots_[row], contiguous_.num_experts());
  }
  figures_.version = change.version;
  if (options_.all_ranks) return;
  const std::vector<v1::LayerPlacement> layers = LayersInForce();
  for (int other = 0; other < options_.num_workers; ++other) {
    const auto& slot = workers_[static_cast<std::size_t>(other)];
    if (other != worker && slot != nullptr) slot->Adopt(change.version, layers);
  }
}

FleetFigures SimulatedFleet::Figures() {
  FleetFigures figures;
  loop_.RunAndWait([&] {
    figures_.reports = 0;
    figures_.reports_held_back = 0;
    const auto add = [this](const FleetWorker& worker) {
      const FleetWorkerStats stats = worker.Stats();
      figures_.reports += stats.reports_sent;
      figures_.reports_held_back += stats.reports_held_back;
    };
    for (const auto& worker : retired_) add(*worker);
    for (const auto& worker : workers_) {
      if (worker != nullptr) add(*worker);
    }
    figures = figures_;
    figures.connected_workers = ConnectedWorkers();
  });
  return figures;
}

StepHistory SimulatedFleet::History() {
  StepHistory history;
  loop_.RunAndWait([&] { history = history_; });
  return history;
}

}  // namespace eplb
