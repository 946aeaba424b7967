#ifndef EPLB_SERVER_TELEMETRY_SEQUENCE_TRACKER_H_
#define EPLB_SERVER_TELEMETRY_SEQUENCE_TRACKER_H_

#include <cstdint>

namespace eplb {

// Tells new reports from duplicates, gaps and late ones by their sequence, for one incarnation of a worker. The first
// sequence seen may be any: a service that has just started meets workers in mid-life. Constant memory: what is more
// than 64 sequences back counts as a duplicate. Not thread-safe.
class SequenceTracker {
 public:
  enum class Arrival {
    kNew,        // belongs to the open sub-window
    kLate,       // first seen now, but its sub-window has been closed
    kDuplicate,  // seen before, or too far back to tell
  };

  static constexpr std::uint64_t kMostLostAtOnce = 10'000;

  // Takes one sequence, >= 1, in.
  Arrival Take(std::uint64_t sequence);
  // What was not seen until now is late from now on.
  void CloseSubWindow() { closed_ = highest_; }

  // 0: none yet.
  std::uint64_t highest() const { return highest_; }
  // Sequences below the highest that never came. Of one gap at most kMostLostAtOnce are believed: a worker that counts
  // wildly must not make figures meaningless.
  std::uint64_t lost() const { return lost_; }

 private:
  std::uint64_t highest_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t seen_ = 0;  // bit i: highest_ - i was seen
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_SEQUENCE_TRACKER_H_
