#ifndef EPLB_SERVER_BASE_PARALLEL_FOR_H_
#define EPLB_SERVER_BASE_PARALLEL_FOR_H_

#include <functional>

namespace eplb {

// Work that can run at several indices at once: body(index, worker) is called exactly once for every index in
// [0, count), with worker in [0, width): calls with the same worker never overlap, so each worker may own scratch.
// The order of the calls is not defined; what the bodies compute must not depend on it, nor on the width.
class ParallelFor {
 public:
  virtual ~ParallelFor() = default;

  // Number of workers, at least 1.
  virtual int width() const = 0;

  // Returns once every call has returned.
  virtual void Run(int count, const std::function<void(int index, int worker)>& body) const = 0;
};

// Runs on the calling thread, in order.
class SerialFor final : public ParallelFor {
 public:
  int width() const override { return 1; }
  void Run(int count, const std::function<void(int, int)>& body) const override {
    for (int index = 0; index < count; ++index) body(index, 0);
  }
};

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_PARALLEL_FOR_H_
