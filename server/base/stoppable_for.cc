#include "server/base/stoppable_for.h"

#include <atomic>
#include <utility>

namespace eplb {

StoppableFor::StoppableFor(const ParallelFor& inner, std::function<bool()> stop)
    : inner_(inner), stop_(std::move(stop)) {}

void StoppableFor::Run(int count, const std::function<void(int, int)>& body) const {
  std::atomic<bool> stopped{false};
  inner_.Run(count, [&](int index, int worker) {
    if (stopped.load(std::memory_order_relaxed)) return;
    if (stop_()) {
      stopped.store(true, std::memory_order_relaxed);
      return;
    }
    try {
      body(index, worker);
    } catch (const Stopped&) {  // by a Run within this one, maybe on a helper's thread
      stopped.store(true, std::memory_order_relaxed);
    }
  });
  if (stopped.load(std::memory_order_relaxed)) throw Stopped();
}

}  // namespace eplb
