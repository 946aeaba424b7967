#ifndef EPLB_CLIENT_SIMULATOR_FLEET_REPORT_H_
#define EPLB_CLIENT_SIMULATOR_FLEET_REPORT_H_

#include <string>
#include <vector>

#include "client/simulator/simulated_fleet.h"
#include "client/simulator/step_history.h"

namespace eplb {

// One line per moment: figures, and a bar that shows the step time beside what it would be without the service.
std::string LiveHeader();
std::string LiveLine(double seconds, const FleetFigures& figures);

// What the summary of a run is made from.
struct RunSummary {
  double seconds = 0;
  double target = 1.2;        // step time that events are judged by
  double slots = 0;           // over all layers and fleets
  FleetFigures figures = {};  // of all fleets
  std::string fleet = {};     // whose events these are; empty where there is only one
  std::vector<EventFigures> events = {};
  double part_under_target = 0;  // of its time
};

// With and without the service, what followed each event, and what was moved.
std::string SummaryText(const RunSummary& summary);

}  // namespace eplb

#endif  // EPLB_CLIENT_SIMULATOR_FLEET_REPORT_H_
