#ifndef EPLB_CLIENT_REPORT_PAGE_TEMPLATE_H_
#define EPLB_CLIENT_REPORT_PAGE_TEMPLATE_H_

#include <string_view>

namespace eplb {

// The report page without its numbers: /*DATA*/ is replaced by one JSON object (see report_html.cc). Everything is
// drawn by the script from that object, with canvas for the heat maps and SVG for the rest.
std::string_view PageTemplate();

}  // namespace eplb

#endif  // EPLB_CLIENT_REPORT_PAGE_TEMPLATE_H_
