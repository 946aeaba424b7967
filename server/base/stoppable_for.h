#ifndef EPLB_SERVER_BASE_STOPPABLE_FOR_H_
#define EPLB_SERVER_BASE_STOPPABLE_FOR_H_

#include <functional>

#include "absl/status/status.h"
#include "server/base/parallel_for.h"

namespace eplb {

// What a Run of StoppableFor that was stopped throws. Not derived from anything, so that nothing but UnlessStopped
// takes it for its own.
struct Stopped {};

// A ParallelFor whose work can be given up: before each index it asks whether to stop, and from then on skips the
// bodies. The code between a caller and its loops, such as the balancing core, knows nothing of that and must not see
// what skipped bodies left half made. So Run ends by an exception, thrown on the thread that called it once the last
// body has returned; it is the only one in this project, and UnlessStopped turns it into a status again. Thread-safe
// where `stop` is.
class StoppableFor final : public ParallelFor {
 public:
  // `inner` must outlive it. stop: called by any worker; once it said yes it is not asked again by that Run.
  StoppableFor(const ParallelFor& inner, std::function<bool()> stop);

  int width() const override { return inner_.width(); }
  // Throws Stopped; also where a Run within a body did.
  void Run(int count, const std::function<void(int, int)>& body) const override;

 private:
  const ParallelFor& inner_;
  const std::function<bool()> stop_;
};

// What `work` returns, a status or StatusOr; CANCELLED where a StoppableFor stopped it.
template <typename Work>
auto UnlessStopped(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const Stopped&) {
    return absl::CancelledError("given up: nobody waits for it any more");
  }
}

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_STOPPABLE_FOR_H_
