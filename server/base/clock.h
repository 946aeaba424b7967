#ifndef EPLB_SERVER_BASE_CLOCK_H_
#define EPLB_SERVER_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace eplb {

// Where time comes from, so that tests step it by hand. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time, for people and for time stamps that leave the process. It may jump.
  virtual absl::Time Now() const = 0;

  // Time since an arbitrary start; never goes back. All intervals and deadlines are measured with it.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clock; lives for the whole process.
const Clock& RealClock();

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_CLOCK_H_
