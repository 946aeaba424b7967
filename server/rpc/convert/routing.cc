#include "server/rpc/convert/routing.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace eplb {
namespace {

// Shares that differ by less are equal, and so are errors.
constexpr double kTolerance = 1e-9;

bool AreEqual(std::span<const double> shares) {
  const auto [least, most] = std::ranges::minmax(shares);
  return most - least < kTolerance;
}

double LargestError(const std::vector<int>& counts, std::span<const double> shares, int entries) {
  double error = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(counts[i]) / entries - shares[i]));
  }
  return error;
}

// Gives one more entry.
void GiveEntry(std::vector<int>& counts, std::span<const double> shares) {
  std::size_t best = 0;
  const auto claim = [&](std::size_t i) { return shares[i] / (2.0 * counts[i] + 1.0); };
  for (std::size_t i = 1; i < counts.size(); ++i) {
    if (claim(i) > claim(best)) best = i;
  }
  ++counts[best];
}

std::vector<int> Apportion(std::span<const double> shares, int max_entries) {
  std::vector<int> counts(shares.size(), 0);
  std::vector<int> best;
  double least_error = 2;
  for (int entries = 1; entries <= max_entries && least_error > kTolerance; ++entries) {
    GiveEntry(counts, shares);
    const double error = LargestError(counts, shares, entries);
    if (error < least_error - kTolerance) {
      least_error = error;
      best = counts;
    }
  }
  return best;
}

}  // namespace

std::vector<std::int32_t> RoutingEntries(std::span<const std::int32_t> slots, std::span<const double> shares,
                                         int max_entries) {
  if (shares.empty() || AreEqual(shares)) {
    const auto count = std::min(slots.size(), static_cast<std::size_t>(max_entries));
    return {slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  const std::vector<int> counts = Apportion(shares, std::min(max_entries, kMaxRoutingEntries));
  std::vector<std::int32_t> entries;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    entries.insert(entries.end(), static_cast<std::size_t>(counts[i]), slots[i]);
  }
  return entries;
}

}  // namespace eplb
