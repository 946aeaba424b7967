#include "server/telemetry/load_report.h"

#include "server/base/check.h"

namespace eplb {

std::string_view ReportOutcomeName(ReportOutcome outcome) {
  static constexpr std::string_view kNames[kNumReportOutcomes] = {
      "folded", "warmup", "duplicate", "late", "unknown_placement", "shed"};
  const auto index = static_cast<int>(outcome);
  EPLB_CHECK(index >= 0 && index < kNumReportOutcomes);
  return kNames[index];
}

}  // namespace eplb
