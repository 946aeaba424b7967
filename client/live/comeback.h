#ifndef EPLB_CLIENT_LIVE_COMEBACK_H_
#define EPLB_CLIENT_LIVE_COMEBACK_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/live/reconnect_delay.h"
#include "server/base/clock.h"

namespace eplb {

// How long a worker waits before it opens a stream again, by how the one before ended. Not thread-safe.
//
// * The wait grows with each end, and is a first one again only after a stream that held: one that is answered and ends
//   at once, time after time, is no success.
// * Where the service drained, its reconnect_delay is the time within which to come, after the end.
// * RESOURCE_EXHAUSTED: not before the service's retry delay. Other errors state one too, but who comes back late to a
//   service that just started delays its plans.
// * ABORTED: another process took this worker's place. A copy that was started by mistake must not take it back, and
//   again, for ever: it waits long, and longer each time.
class Comeback {
 public:
  struct Options {
    absl::Duration first_backoff;
    absl::Duration max_backoff;
    absl::Duration stable_after;
    absl::Duration superseded_backoff;  // the first; at most ten times it
  };
  // The clock must outlive it.
  Comeback(const Options& options, std::uint64_t seed, const Clock& clock);

  // The service answered on the stream.
  void Answered();
  // The service is about to end the stream.
  void Draining(absl::Duration reconnect_delay) { drain_delay_ = reconnect_delay; }
  // The stream ended so: the wait before the next.
  absl::Duration Next(const absl::Status& status);

 private:
  const Clock& clock_;
  const absl::Duration stable_after_;
  ReconnectDelay failed_;
  ReconnectDelay superseded_;
  std::optional<absl::Duration> answered_since_;
  absl::Duration drain_delay_ = absl::ZeroDuration();
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_COMEBACK_H_
