#ifndef EPLB_CLIENT_SIMULATOR_STEP_HISTORY_H_
#define EPLB_CLIENT_SIMULATOR_STEP_HISTORY_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace eplb {

// What followed one event, until the next one or the end.
struct EventFigures {
  std::string event;
  double at = 0;                           // seconds from the start
  double peak = 0;                         // highest step time
  std::optional<double> under_after = {};  // seconds from which on the step time was under the target; unset: never
  double highest_after_it = 0;             // highest step time from then on
};

// The step time of a fleet, sampled over time, and what happened meanwhile. Not thread-safe.
class StepHistory {
 public:
  // Times, in seconds from the start, do not fall.
  void Add(double seconds, double step_time);
  // An event, which the samples from then on follow; its place, for Rename.
  std::size_t Mark(double seconds, std::string event);
  void Rename(std::size_t mark, std::string event) { marks_[mark].event = std::move(event); }

  // Samples under the target, as a part of all, in [0, 1].
  double PartUnder(double target) const;
  // For each event, in order.
  std::vector<EventFigures> Events(double target) const;

 private:
  struct Sample {
    double seconds;
    double step_time;
  };
  struct Event {
    double seconds;
    std::string event;
    std::size_t first_sample;
  };

  std::vector<Sample> samples_;
  std::vector<Event> marks_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_STEP_HISTORY_H_
