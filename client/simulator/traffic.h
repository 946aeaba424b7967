#ifndef EPLB_CLIENT_SIMULATOR_TRAFFIC_H_
#define EPLB_CLIENT_SIMULATOR_TRAFFIC_H_

#include <span>

namespace eplb {

// The tokens that come for each expert of a simulated fleet, over time. Not thread-safe.
class Traffic {
 public:
  virtual ~Traffic() = default;

  // Moves to a time, in seconds from the start, not before the last one.
  virtual void AdvanceTo(double seconds) = 0;
  // Tokens per second of each expert now: [layers x experts], row major.
  virtual std::span<const double> rates() const = 0;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_TRAFFIC_H_
