#ifndef EPLB_SERVER_METRICS_SERIES_H_
#define EPLB_SERVER_METRICS_SERIES_H_

#include <prometheus/family.h>

#include <utility>

namespace eplb {

// One series of a family that leaves the page with its owner; an empty one takes and shows nothing. Two that live at
// once with equal labels would share a series and end it twice: give each its own labels. T is a prometheus metric.
template <typename T>
class Series {
 public:
  Series() = default;
  // The family must outlive it. `arguments` are the metric's, as bucket bounds.
  template <typename... Arguments>
  Series(prometheus::Family<T>& family, const prometheus::Labels& labels, Arguments&&... arguments)
      : family_(&family), metric_(&family.Add(labels, std::forward<Arguments>(arguments)...)) {}
  ~Series() {
    if (family_ != nullptr) family_->Remove(metric_);
  }
  Series(Series&& other) noexcept
      : family_(std::exchange(other.family_, nullptr)), metric_(std::exchange(other.metric_, nullptr)) {}
  Series& operator=(Series&& other) noexcept {
    std::swap(family_, other.family_);
    std::swap(metric_, other.metric_);
    return *this;
  }

  void Increment(double by = 1) {
    if (metric_ != nullptr) metric_->Increment(by);
  }
  void Set(double value) {
    if (metric_ != nullptr) metric_->Set(value);
  }

 private:
  prometheus::Family<T>* family_ = nullptr;
  T* metric_ = nullptr;
};

}  // namespace eplb

#endif  // EPLB_SERVER_METRICS_SERIES_H_
