#ifndef EPLB_SERVER_MODEL_PLACEMENT_VERSION_H_
#define EPLB_SERVER_MODEL_PLACEMENT_VERSION_H_

#include <compare>
#include <cstdint>
#include <string>

namespace eplb {

// Orders the placements of one deployment: epoch first, then revision. {0, 0} is no placement of this service: the
// layout that an engine started with.
struct PlacementVersion {
  std::int64_t epoch = 0;     // unix nanoseconds at which an owner took the deployment over; fences a former owner
  std::int64_t revision = 0;  // counts up by one within the epoch, from 1

  // Largest epoch and revision that are taken from a peer, so that one more can always be counted.
  static constexpr std::int64_t kMax = std::int64_t{1} << 62;

  bool is_set() const { return epoch != 0 || revision != 0; }
  std::string ToString() const { return std::to_string(epoch) + "." + std::to_string(revision); }

  friend auto operator<=>(const PlacementVersion&, const PlacementVersion&) = default;
};

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_PLACEMENT_VERSION_H_
