#ifndef EPLB_SERVER_TELEMETRY_PHASE_H_
#define EPLB_SERVER_TELEMETRY_PHASE_H_

#include <array>
#include <cstddef>

namespace eplb {

// Which engine phase a load was seen in.
enum class Phase { kUnspecified, kPrefill, kDecode };

inline constexpr std::size_t kNumPhases = 3;

// What one token of each phase counts for where phases are combined: finite, >= 0, at least one > 0.
struct PhaseWeights {
  double unspecified = 1;
  double prefill = 1;
  double decode = 1;

  // Indexed by Phase.
  std::array<double, kNumPhases> ByPhase() const { return {unspecified, prefill, decode}; }
  bool operator==(const PhaseWeights&) const = default;
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_PHASE_H_
