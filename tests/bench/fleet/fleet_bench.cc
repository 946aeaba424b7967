// A real eplb-server in a process of its own, and fleets of workers beside it on the same machine. Prints figures; says
// nothing about whether they are good, but for reports, which fails where the server folded fewer than were sent.
//
//   fleet_bench reports   10,016 workers, each on its own stream, that report 58 layers x 9 slots every second
//   fleet_bench publish   one fleet of 1,024 workers that all watch: how soon the last one has what was published
//   fleet_bench storm     2,000 workers that lose their server: how soon all are back
//
// What comes after "--" are flags of the server.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "server/telemetry/load_report.h"
#include "tests/bench/fleet/fleet_load.h"
#include "tests/bench/fleet/server_under_load.h"
#include "tests/support/reconnect_storm.h"

namespace eplb {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);  // for what is still under way at the end
constexpr absl::Duration kSample = absl::Seconds(1);

struct Options {
  FleetLoadOptions load = {};
  double seconds = 60;
  double warm_up_seconds = 10;
  int storm_workers = 2000;
  int storm_rounds = 5;
  std::vector<std::string> server_flags = {};
};

// How long the deployment waits that was planned longest ago, from `start` on.
absl::Duration OldestPlan(v1::EplbService::Stub& stub, absl::Time start) {
  absl::Duration oldest = absl::ZeroDuration();
  v1::ListDeploymentsRequest request;
  do {
    grpc::ClientContext context;
    v1::ListDeploymentsResponse response;
    if (!stub.ListDeployments(&context, request, &response).ok()) return absl::InfiniteDuration();
    for (const v1::Deployment& deployment : response.deployments()) {
      const absl::Time plan = absl::FromUnixSeconds(deployment.last_plan_time().seconds()) +
                              absl::Nanoseconds(deployment.last_plan_time().nanos());
      oldest = std::max(oldest, absl::Now() - std::max(plan, start));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return oldest;
}

// What the server used between two moments.
struct Interval {
  double seconds = 0;
  double server_cpu = 0;
  double own_cpu = 0;
  double plans = 0;
  double published = 0;
  double peak_mebibytes = 0;
  absl::Duration oldest_plan = absl::ZeroDuration();
};

Interval Observe(const ServerUnderLoad& server, double seconds) {
  SharedChannels channels(server.address(), 1);
  Interval interval{.seconds = seconds,
                    .server_cpu = -server.CpuSeconds(),
                    .own_cpu = -OwnCpuSeconds(),
                    .plans = -server.Metric("eplb_plan_duration_seconds_count"),
                    .published = -server.Metric("eplb_publications_total")};
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::Seconds(seconds);
  while (absl::Now() < end) {
    absl::SleepFor(std::min(kSample, end - absl::Now()));
    interval.peak_mebibytes = std::max(interval.peak_mebibytes, server.PeakResidentMebibytes());
    interval.oldest_plan = std::max(interval.oldest_plan, OldestPlan(channels.stub(0), start));
  }
  interval.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  interval.server_cpu += server.CpuSeconds();
  interval.own_cpu += OwnCpuSeconds();
  interval.plans += server.Metric("eplb_plan_duration_seconds_count");
  interval.published += server.Metric("eplb_publications_total");
  return interval;
}

void PrintMachine() { std::printf("machine                          %s\n", Machine().c_str()); }

void PrintServer(const Interval& interval, double reports_per_second) {
  const double cores = interval.server_cpu / interval.seconds;
  std::printf("server CPU                       %.3f cores over %.0f s, all it does: %.1f us per report\n", cores,
              interval.seconds, cores / reports_per_second * 1e6);
  std::printf("server memory, most              %.0f MiB resident\n", interval.peak_mebibytes);
  std::printf("plans                            %.1f a second; the longest that a fleet waited for one: %.1f s\n",
              interval.plans / interval.seconds, absl::ToDoubleSeconds(interval.oldest_plan));
  std::printf("placements published             %.1f a second\n", interval.published / interval.seconds);
  std::printf("load generator CPU               %.3f cores\n", interval.own_cpu / interval.seconds);
  PrintMachine();
}

// Reports by what became of them, by the server's own count. Returns those that were folded.
double PrintOutcomes(const ServerUnderLoad& server) {
  double folded = 0;
  for (int i = 0; i < kNumReportOutcomes; ++i) {
    const std::string outcome(ReportOutcomeName(static_cast<ReportOutcome>(i)));
    const double count = server.Metric("eplb_reports_total", "outcome=\"" + outcome + "\"");
    const bool is_folded = static_cast<ReportOutcome>(i) == ReportOutcome::kFolded;
    if (is_folded) folded = count;
    if (is_folded || count > 0) std::printf("reports %-24s %.0f\n", outcome.c_str(), count);
  }
  return folded;
}

int RunReports(const Options& options) {
  ServerUnderLoad server(options.server_flags);
  FleetLoad load(options.load, server.address());
  const absl::Time start = absl::Now();
  load.Connect();
  const FleetShape& shape = options.load.shape;
  std::printf("workers                          %d, each on its own stream: %d fleets of %d, %d connections\n",
              load.workers(), options.load.deployments, shape.workers, options.load.channels);
  std::printf("a report                         %d layers x %d slots, every %.1f s\n", shape.layers,
              shape.slots_per_worker, absl::ToDoubleSeconds(options.load.report_interval));
  std::printf("all hellos answered after        %.1f s\n", absl::ToDoubleSeconds(absl::Now() - start));
  std::fflush(stdout);
  const double interval_seconds = absl::ToDoubleSeconds(options.load.report_interval);
  const int wanted = static_cast<int>((options.warm_up_seconds + options.seconds) / interval_seconds) + 1;
  load.StartReports((wanted + 7) / 8 * 8);  // so that the last is acknowledged
  absl::SleepFor(absl::Seconds(options.warm_up_seconds));
  const Interval interval = Observe(server, options.seconds);
  load.FinishReports(kPatience);
  std::printf("reports sent                     %llu, of which %llu waited for the one before\n",
              static_cast<unsigned long long>(load.sent()), static_cast<unsigned long long>(load.late()));
  const double folded = PrintOutcomes(server);
  std::printf("reports acknowledged             %llu\n", static_cast<unsigned long long>(load.acknowledged()));
  std::printf("reports lost                     %lld, streams broken %d\n",
              static_cast<long long>(load.sent()) - static_cast<long long>(load.acknowledged()), load.broken());
  std::printf("report to acknowledgement        p50 %.1f ms, p99 %.1f ms\n", load.acknowledgements().Quantile(0.5),
              load.acknowledgements().Quantile(0.99));
  PrintServer(interval, load.workers() / interval_seconds);
  if (folded >= static_cast<double>(load.sent())) return 0;
  std::fprintf(stderr, "fleet_bench: %.0f reports were not folded\n", static_cast<double>(load.sent()) - folded);
  return 1;
}

int RunPublish(const Options& options) {
  ServerUnderLoad server(options.server_flags);
  FleetLoad load(options.load, server.address());
  load.Connect();
  const double interval_seconds = absl::ToDoubleSeconds(options.load.report_interval);
  load.StartReports(static_cast<int>((options.warm_up_seconds + options.seconds) / interval_seconds));
  absl::SleepFor(absl::Seconds(options.warm_up_seconds));
  const Interval interval = Observe(server, options.seconds);
  load.FinishReports(kPatience);
  LatencyLog to_last;
  LatencyLog to_commit;
  int watchers = 0;
  const auto published = server.PublishTimes();
  for (const auto& [version, arrivals] : load.arrivals()) {
    const auto it = published.find(version);
    if (it == published.end()) continue;
    watchers = std::max(watchers, arrivals.placements);
    if (arrivals.placements == watchers) to_last.Add(arrivals.last_placement - it->second);
    if (arrivals.commits == watchers) to_commit.Add(arrivals.last_commit - it->second);
  }
  const FleetShape& shape = options.load.shape;
  std::printf("watchers                         %d, each also reporting %d layers x %d slots every %.1f s\n", watchers,
              shape.layers, shape.slots_per_worker, interval_seconds);
  std::printf("versions published               %zu\n", to_last.size());
  std::printf("publish to last watcher          p50 %.1f ms, p99 %.1f ms, most %.1f ms\n", to_last.Quantile(0.5),
              to_last.Quantile(0.99), to_last.Quantile(1));
  std::printf("publish to last commit           p50 %.1f ms, p99 %.1f ms, most %.1f ms\n", to_commit.Quantile(0.5),
              to_commit.Quantile(0.99), to_commit.Quantile(1));
  PrintServer(interval, load.workers() / interval_seconds);
  return 0;
}

int RunStorm(const Options& options) {
  ServerUnderLoad server(options.server_flags);
  ReconnectStorm storm({.workers = options.storm_workers}, server.address());
  storm.WaitUntilAllAreBack();
  LatencyLog recoveries;
  for (int round = 0; round < options.storm_rounds; ++round) {
    const absl::Time killed = absl::Now();
    server.KillAndRestart();
    const absl::Time ready = absl::Now();
    storm.WaitUntilAllAreBack();
    recoveries.Add(absl::Now() - ready);
    std::printf("round %d: server away %.0f ms, all %d workers back %.0f ms after it was ready\n", round + 1,
                absl::ToDoubleMilliseconds(ready - killed), options.storm_workers,
                absl::ToDoubleMilliseconds(absl::Now() - ready));
    std::fflush(stdout);
  }
  std::printf("all back after                   median %.0f ms, most %.0f ms\n", recoveries.Quantile(0.5),
              recoveries.Quantile(1));
  PrintMachine();
  return 0;
}

void AddLoadFlags(CLI::App& app, Options& options) {
  app.add_option("--deployments", options.load.deployments, "Fleets")->capture_default_str();
  app.add_option("--workers", options.load.shape.workers, "Workers of a fleet, one GPU each")->capture_default_str();
  app.add_option("--slots", options.load.shape.slots_per_worker, "Slots of a worker")->capture_default_str();
  app.add_option("--layers", options.load.shape.layers, "Expert layers")->capture_default_str();
  app.add_option("--experts", options.load.shape.experts, "Logical experts")->capture_default_str();
  app.add_option("--channels", options.load.channels, "Connections")->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time observed")->capture_default_str();
  app.add_option("--warm-up", options.warm_up_seconds, "Seconds before")->capture_default_str();
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  using eplb::Options;
  Options reports;
  reports.load.deployments = 313;
  Options publish;
  publish.load = {.shape = {.workers = 1024, .slots_per_worker = 1, .all_ranks = true}};
  publish.server_flags = {"--telemetry.report_interval=1s", "--planner.hysteresis_ratio=0"};
  Options storm;
  CLI::App app("Figures of a server under the load of many workers; flags of the server after --.");
  app.require_subcommand(1);
  CLI::App& reports_app = *app.add_subcommand("reports", "Many workers that report");
  CLI::App& publish_app = *app.add_subcommand("publish", "One large fleet whose workers all watch");
  CLI::App& storm_app = *app.add_subcommand("storm", "Workers that lose their server");
  eplb::AddLoadFlags(reports_app, reports);
  eplb::AddLoadFlags(publish_app, publish);
  storm_app.add_option("--workers", storm.storm_workers, "Workers")->capture_default_str();
  storm_app.add_option("--rounds", storm.storm_rounds, "How often the server dies")->capture_default_str();
  std::vector<std::string> server_flags;
  for (CLI::App* each : {&reports_app, &publish_app, &storm_app}) each->add_option("server-flags", server_flags);
  CLI11_PARSE(app, argc, argv);
  Options& chosen = reports_app.parsed() ? reports : publish_app.parsed() ? publish : storm;
  chosen.server_flags.insert(chosen.server_flags.end(), server_flags.begin(), server_flags.end());
  if (reports_app.parsed()) return eplb::RunReports(chosen);
  return publish_app.parsed() ? eplb::RunPublish(chosen) : eplb::RunStorm(chosen);
}
