// Everything at once, round after round, in one process with its clients: fleets that come, are planned, restart,
// reject and go, streams that break off, watchers that do not read. When a round is over nothing of it may be left: the
// memory in use after the last round is what it was after the first ones.
//
// A short form runs with the other tests. For a long one: EPLB_SOAK_SECONDS=600 soak_test
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/simulator/simulated_fleet.h"
#include "server/metrics/hub_metrics.h"
#include "server/metrics/metrics_page.h"
#include "server/planner/adaptive_tick_planner.h"
#include "tests/support/live_server.h"

#if defined(__SANITIZE_ADDRESS__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();  // g++ 12 comes without its header
#endif

namespace eplb::testing {
namespace {

constexpr int kWarmUpRounds = 5;    // until every cache is filled, but for those of malloc, which ASan does not count
constexpr int kLeastRounds = 10;    // in all
constexpr int kComparedRounds = 3;  // the least of so many counts, at both ends: threads may still be letting go
constexpr double kMostGrowthKibibytes = 512;

absl::Duration SoakTime() {
  const char* seconds = std::getenv("EPLB_SOAK_SECONDS");
  int value = 0;
  return seconds != nullptr && absl::SimpleAtoi(seconds, &value) ? absl::Seconds(value) : absl::ZeroDuration();
}

double KibibytesInUse() {
#if defined(__SANITIZE_ADDRESS__)
  return static_cast<double>(__sanitizer_get_current_allocated_bytes()) / 1024;
#else
  return static_cast<double>(mallinfo2().uordblks) / 1024;
#endif
}

HubOptions QuickOptions() {
  HubOptions options;
  options.report_interval = absl::Milliseconds(50);
  options.max_report_interval = absl::Milliseconds(100);
  options.deployment_retention = absl::Milliseconds(100);
  options.bookmark_interval = absl::Milliseconds(100);
  options.liveness = {.expire_after_intervals = 10, .exclude_grace = absl::Seconds(1)};
  options.rejection_backoff = absl::Milliseconds(50);
  options.max_rejection_backoff = absl::Milliseconds(200);
  options.plan.hysteresis_ratio = 0;
  return options;
}

class Soak {
 public:
  Soak()
      : metrics_({}, page_, RealClock()),
        planner_(serial_),
        pool_(1, 64),
        hub_(CreateHub(QuickOptions(), RealClock(), planner_, &metrics_)) {
    hub_->Start(pool_);
    InProcessServerOptions options;
    options.parts.hub = hub_.get();
    server_ = std::make_unique<InProcessServer>(options);
    stub_ = server_->NewStub();
  }
  ~Soak() {
    server_.reset();
    hub_->Stop();
  }

  void Round() {
    ++rounds_;
    std::vector<std::unique_ptr<SimulatedFleet>> fleets;
    for (const bool all_ranks : {false, true}) {
      for (const bool trouble : {false, true}) fleets.push_back(NewFleet(all_ranks, trouble));
    }
    for (const auto& fleet : fleets) fleet->Start();
    BreakStreams();
    WatchAndLeave(fleets);
    for (const auto& fleet : fleets) {
      WaitUntil([&] { return fleet->Figures().switches >= 2; });
      switches_ += fleet->Figures().switches;
      reports_ += fleet->Figures().reports;
    }
    for (const auto& fleet : fleets) fleet->Stop();
    fleets.clear();
    WaitUntil([&] { return hub_->ListDeployments({})->deployments.empty(); });
    samples_.push_back(KibibytesInUse());
  }

  int rounds() const { return rounds_; }
  // The least memory in use after some rounds from `first` on.
  double InUse(std::size_t first) const {
    const auto begin = samples_.begin() + static_cast<std::ptrdiff_t>(first);
    return *std::min_element(begin, begin + kComparedRounds);
  }
  void Print() const {
    std::printf("%d rounds, %lld placements, %llu reports; in use %.0f KiB after round %d, %.0f KiB at the end\n",
                rounds_, static_cast<long long>(switches_), static_cast<unsigned long long>(reports_),
                InUse(kWarmUpRounds), kWarmUpRounds, InUse(samples_.size() - kComparedRounds));
    std::fflush(stdout);
  }

  std::size_t size() const { return samples_.size(); }

 private:
  std::unique_ptr<SimulatedFleet> NewFleet(bool all_ranks, bool trouble) {
    FleetOptions options{.deployment = absl::StrCat("soak/", rounds_, all_ranks ? "-all" : "-one", trouble ? "-t" : ""),
                         .topology = {.num_gpus = 4, .num_slots = 20},
                         .num_workers = 4,
                         .all_ranks = all_ranks,
                         .drift = {.num_layers = 3, .num_experts = 16, .drift = 0.5},
                         .bytes_per_expert = 1 << 16,
                         .latency = absl::Milliseconds(1)};
    options.drift.seed = options.seed = static_cast<std::uint64_t>(rounds_);
    if (trouble) {
      options.faults = {.rejecting_worker = 0,
                        .reject_probability = 0.5,
                        .restarting_worker = 3,
                        .restart_at = 0.2,
                        .restart_for = 0.1,
                        .clock_skew_seconds = -3600,
                        .loss_probability = 0.1};
    }
    return *SimulatedFleet::Create(std::move(options), *stub_, loop_);
  }

  // Workers that say hello and goodbye, or nothing at all, each for a deployment of its own, over a connection that
  // breaks.
  void BreakStreams() {
    const std::unique_ptr<v1::EplbService::Stub> stub = server_->NewStub();
    for (int i = 0; i < 10; ++i) {
      TelemetryClient worker(*stub);
      worker.Send(HelloMessage(absl::StrCat("soak/", rounds_, "-broken-", i)));
      worker.Send(ReportMessage(1));
      EXPECT_TRUE(worker.Read().has_value());
      i % 2 == 0 ? worker.HalfClose() : worker.Cancel();
      worker.Finish();
    }
  }

  // Onlookers of which some never read.
  void WatchAndLeave(const std::vector<std::unique_ptr<SimulatedFleet>>& fleets) {
    const std::unique_ptr<v1::EplbService::Stub> stub = server_->NewStub();
    WaitUntil([&] {
      return hub_->ListDeployments({.name_prefix = absl::StrCat("soak/", rounds_, "-one")})->deployments.size() == 2;
    });
    std::vector<std::unique_ptr<WatchClient>> watches;
    for (int i = 0; i < 8; ++i) {
      watches.push_back(
          std::make_unique<WatchClient>(*stub, WatchMessage(absl::StrCat("soak/", rounds_, "-one"), "", "")));
      if (i % 2 == 0) watches.back()->Read();
    }
    WaitUntil([&] { return fleets[0]->Figures().switches >= 1; });
    for (const auto& watch : watches) {
      watch->Cancel();
      watch->Finish();
    }
  }

  MetricsPage page_;
  HubMetrics metrics_;
  const SerialFor serial_;
  const AdaptiveTickPlanner planner_;
  WorkerPool pool_;
  const std::unique_ptr<Hub> hub_;
  std::unique_ptr<InProcessServer> server_;
  std::unique_ptr<v1::EplbService::Stub> stub_;
  EventLoop loop_;
  int rounds_ = 0;
  std::int64_t switches_ = 0;
  std::uint64_t reports_ = 0;
  std::vector<double> samples_;
};

TEST(SoakTest, RoundsOfEverythingLeaveNothingBehind) {
  Soak soak;
  const absl::Time end = absl::Now() + SoakTime();
  while (soak.rounds() < kWarmUpRounds + kLeastRounds || absl::Now() < end) {
    soak.Round();
    if (soak.rounds() % 50 == 0) soak.Print();
  }
  soak.Print();
  EXPECT_LT(soak.InUse(soak.size() - kComparedRounds) - soak.InUse(kWarmUpRounds), kMostGrowthKibibytes);
}

}  // namespace
}  // namespace eplb::testing
