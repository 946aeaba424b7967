#ifndef EPLB_CLIENT_REPORT_REPORT_HTML_H_
#define EPLB_CLIENT_REPORT_REPORT_HTML_H_

#include <string>

#include "client/report/report_data.h"

namespace eplb {

// The report as one HTML page that needs no network: layer x GPU heat maps before and after, replicas against load,
// copies between nodes as arrows, and the step time over a replay. Text from the data is escaped; numbers are rounded
// to what a screen can show. The vectors must have the stated shapes.
std::string RenderReport(const ReportData& data);

}  // namespace eplb

#endif  // EPLB_CLIENT_REPORT_REPORT_HTML_H_
