#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "server/metrics/names.h"

namespace eplb {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// The fields of /proc/self/stat from the third on, "state" (proc(5)); the name before them may hold anything.
std::vector<std::string> StatFields() {
  const std::string stat = ReadFile("/proc/self/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(stat.substr(name_end + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

// A field by its number in proc(5).
std::optional<double> StatField(const std::vector<std::string>& fields, std::size_t number) {
  double value = 0;
  if (number - 3 >= fields.size() || !absl::SimpleAtod(fields[number - 3], &value)) return std::nullopt;
  return value;
}

std::optional<double> BootTime() {
  const std::string stat = ReadFile("/proc/stat");
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(stat, '\n'))) {
    double value = 0;
    if (line.starts_with("btime ") && absl::SimpleAtod(line.substr(6), &value)) return value;
  }
  return std::nullopt;
}

double ClockTicksPerSecond() { return static_cast<double>(sysconf(_SC_CLK_TCK)); }

std::optional<double> CpuSeconds(const std::vector<std::string>& fields) {
  const std::optional<double> user = StatField(fields, 14);
  const std::optional<double> system = StatField(fields, 15);
  if (!user || !system) return std::nullopt;
  return (*user + *system) / ClockTicksPerSecond();
}

std::optional<double> ResidentBytes(const std::vector<std::string>& fields) {
  const std::optional<double> pages = StatField(fields, 24);
  if (!pages) return std::nullopt;
  return *pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> StartTime(const std::vector<std::string>& fields) {
  const std::optional<double> boot = BootTime();
  const std::optional<double> ticks = StatField(fields, 22);
  if (!boot || !ticks) return std::nullopt;
  return *boot + *ticks / ClockTicksPerSecond();
}

// Without the one that the listing itself takes.
std::optional<double> OpenFds() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  double count = 0;
  while (!error && entry != std::filesystem::directory_iterator()) {
    ++count;
    entry.increment(error);
  }
  if (error) return std::nullopt;
  return count - 1;
}

std::optional<double> MaxFds() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

void Append(const Metric& metric, MetricType type, std::optional<double> value, std::vector<MetricFamily>& families) {
  if (!value) return;
  ClientMetric sample;
  if (type == MetricType::Counter) {
    sample.counter.value = *value;
  } else {
    sample.gauge.value = *value;
  }
  families.push_back({.name = metric.name, .help = metric.help, .type = type, .metric = {sample}});
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics::Collect() const {
  const std::vector<std::string> fields = StatFields();
  std::vector<MetricFamily> families;
  Append(metrics::kProcessCpu, MetricType::Counter, CpuSeconds(fields), families);
  Append(metrics::kProcessResident, MetricType::Gauge, ResidentBytes(fields), families);
  Append(metrics::kProcessVirtual, MetricType::Gauge, StatField(fields, 23), families);
  Append(metrics::kProcessOpenFds, MetricType::Gauge, OpenFds(), families);
  Append(metrics::kProcessMaxFds, MetricType::Gauge, MaxFds(), families);
  Append(metrics::kProcessStartTime, MetricType::Gauge, StartTime(fields), families);
  Append(metrics::kProcessThreads, MetricType::Gauge, StatField(fields, 20), families);
  return families;
}

}  // namespace eplb
