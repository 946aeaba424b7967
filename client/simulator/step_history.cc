#include "client/simulator/step_history.h"

#include <algorithm>
#include <utility>

namespace eplb {

void StepHistory::Add(double seconds, double step_time) { samples_.push_back({seconds, step_time}); }

std::size_t StepHistory::Mark(double seconds, std::string event) {
  marks_.push_back({seconds, std::move(event), samples_.size()});
  return marks_.size() - 1;
}

double StepHistory::PartUnder(double target) const {
  if (samples_.empty()) return 0;
  const auto under = std::count_if(samples_.begin(), samples_.end(),
                                   [target](const Sample& sample) { return sample.step_time < target; });
  return static_cast<double>(under) / static_cast<double>(samples_.size());
}

std::vector<EventFigures> StepHistory::Events(double target) const {
  std::vector<EventFigures> events;
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const std::size_t end = i + 1 < marks_.size() ? marks_[i + 1].first_sample : samples_.size();
    EventFigures figures{.event = marks_[i].event, .at = marks_[i].seconds};
    for (std::size_t k = marks_[i].first_sample; k < end; ++k) {
      const auto& [seconds, step_time] = samples_[k];
      figures.peak = std::max(figures.peak, step_time);
      if (step_time >= target) {
        figures.under_after.reset();
        figures.highest_after_it = 0;
      } else {
        if (!figures.under_after) figures.under_after = seconds - figures.at;
        figures.highest_after_it = std::max(figures.highest_after_it, step_time);
      }
    }
    events.push_back(std::move(figures));
  }
  return events;
}

}  // namespace eplb
