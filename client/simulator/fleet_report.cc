#include "client/simulator/fleet_report.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/str_format.h"

namespace eplb {
namespace {

constexpr double kBarUnit = 0.05;  // of step time, for each character
constexpr int kLongestBar = 40;

double Gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

int BarLength(double step_time) {
  return std::clamp(static_cast<int>(std::lround((step_time - 1) / kBarUnit)), 0, kLongestBar);
}

// '#' for the imbalance that there is, '.' for what the service takes away of it.
std::string Bar(const FleetFigures& figures) {
  const int with = BarLength(figures.step_time);
  const int without = std::max(with, BarLength(figures.contiguous_step_time));
  return std::string(static_cast<std::size_t>(with), '#') + std::string(static_cast<std::size_t>(without - with), '.');
}

std::string EventLine(const EventFigures& event) {
  std::string line = absl::StrFormat("%-24s %7.1f s %10.3f", event.event, event.at, event.peak);
  if (!event.under_after) return line + "            not yet\n";
  return line + absl::StrFormat(" %16.1f s %21.3f\n", *event.under_after, event.highest_after_it);
}

std::string EventTable(const RunSummary& summary) {
  std::string text =
      absl::StrFormat("%-24s %9s %10s %18s %21s\n", summary.fleet.empty() ? "event" : summary.fleet, "at", "highest",
                      absl::StrFormat("stays under %g in", summary.target), "highest from then on");
  for (const EventFigures& event : summary.events) text += EventLine(event);
  return text + absl::StrFormat("%.0f %% of the time under %g\n", 100 * summary.part_under_target, summary.target);
}

}  // namespace

std::string LiveHeader() {
  return absl::StrFormat("%6s %9s %8s %8s %9s %7s %7s %8s %6s  %s\n", "second", "step time", "without", "balance",
                         "moved GB", "changes", "workers", "reports", "errors", "# with the service, . without");
}

std::string LiveLine(double seconds, const FleetFigures& figures) {
  std::string line =
      absl::StrFormat("%6.1f %9.3f %8.3f %8.3f %9.2f %7d %7d %8u %6u  %s", seconds, figures.step_time,
                      figures.contiguous_step_time, figures.balancedness, Gigabytes(figures.fetched_bytes),
                      figures.switches, figures.connected_workers, figures.reports, figures.errors, Bar(figures));
  while (line.back() == ' ') line.pop_back();
  return line + "\n";
}

std::string SummaryText(const RunSummary& summary) {
  const FleetFigures& figures = summary.figures;
  const double imbalance = figures.mean_contiguous_step_time - 1;
  std::string text = absl::StrFormat("\n%-24s %18s %22s\n", absl::StrFormat("over %.0f s", summary.seconds),
                                     "with the service", "without (contiguous)");
  text += absl::StrFormat("%-24s %18.3f %22.3f\n", "mean step time", figures.mean_step_time,
                          figures.mean_contiguous_step_time);
  text +=
      absl::StrFormat("%-24s %18.3f %22.3f\n", "step time at the end", figures.step_time, figures.contiguous_step_time);
  text += absl::StrFormat("%-24s %15.2f GB %19.2f GB\n\n", "weights moved", Gigabytes(figures.fetched_bytes), 0.0);
  text += EventTable(summary);
  text += absl::StrFormat(
      "\nimbalance reduced by %.0f %%, expert layers %.0f %% faster; %d placements, %.1f %% of slots fetched a "
      "minute\n",
      imbalance > 0 ? 100 * (1 - (figures.mean_step_time - 1) / imbalance) : 0.0,
      100 * (figures.mean_contiguous_step_time / figures.mean_step_time - 1), figures.switches,
      100 * static_cast<double>(figures.fetched_experts) / summary.slots / (summary.seconds / 60));
  text += absl::StrFormat("reports sent %u, held back %u; errors gone on from %u%s%s\n", figures.reports,
                          figures.reports_held_back, figures.errors,
                          figures.last_error.empty() ? "" : ", the last: ", figures.last_error);
  return text;
}

}  // namespace eplb
