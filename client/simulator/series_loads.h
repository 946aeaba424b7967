#ifndef EPLB_CLIENT_SIMULATOR_SERIES_LOADS_H_
#define EPLB_CLIENT_SIMULATOR_SERIES_LOADS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "client/files/load_series.h"
#include "client/simulator/traffic.h"

namespace eplb {

// Recorded traffic: each sub-window of a series lasts equally long, and after the last one comes the first again. Not
// thread-safe; the series may be shared.
class SeriesLoads final : public Traffic {
 public:
  // sub_window_seconds > 0.
  SeriesLoads(std::shared_ptr<const LoadSeries> series, double sub_window_seconds);

  void AdvanceTo(double seconds) override;
  std::span<const double> rates() const override { return rates_; }

 private:
  void Load(std::int64_t sub_window);

  const std::shared_ptr<const LoadSeries> series_;
  const double sub_window_seconds_;
  std::int64_t shown_ = 0;  // sub-window whose rates these are, counted over all windows
  std::vector<double> rates_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_SERIES_LOADS_H_
