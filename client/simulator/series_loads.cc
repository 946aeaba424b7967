#include "client/simulator/series_loads.h"

#include <utility>

namespace eplb {

SeriesLoads::SeriesLoads(std::shared_ptr<const LoadSeries> series, double sub_window_seconds)
    : series_(std::move(series)), sub_window_seconds_(sub_window_seconds) {
  Load(0);
}

void SeriesLoads::AdvanceTo(double seconds) {
  const std::int64_t count = series_->shape().windows * series_->shape().sub_windows;
  const std::int64_t sub_window = static_cast<std::int64_t>(seconds / sub_window_seconds_) % count;
  if (sub_window != shown_) Load(sub_window);
}

void SeriesLoads::Load(std::int64_t sub_window) {
  const auto size =
      static_cast<std::size_t>(series_->shape().layers) * static_cast<std::size_t>(series_->shape().experts);
  rates_.assign(size, 0.0);
  const auto count = static_cast<std::int64_t>(size);
  series_->values().AddTo(sub_window * count, count, rates_.data());
  for (double& rate : rates_) rate /= sub_window_seconds_;
  shown_ = sub_window;
}

}  // namespace eplb
