#ifndef EPLB_SERVER_BALANCER_SEARCH_WORK_METER_H_
#define EPLB_SERVER_BALANCER_SEARCH_WORK_METER_H_

#include <cstdint>

namespace eplb {

// Counts evaluated moves against a limit: a move is one exchange of replicas whose effect on the most loaded GPU was
// computed. Counting moves and not time keeps the search deterministic. Work is charged before or after a batch of
// moves, so the limit may be passed by one batch.
class WorkMeter {
 public:
  explicit WorkMeter(std::int64_t limit) : limit_(limit) {}

  void Charge(std::int64_t moves) { done_ += moves; }
  bool exhausted() const { return done_ >= limit_; }
  std::int64_t done() const { return done_; }
  std::int64_t left() const { return limit_ - done_; }

 private:
  std::int64_t limit_;
  std::int64_t done_ = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_WORK_METER_H_
