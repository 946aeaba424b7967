#ifndef EPLB_TESTS_SERVER_METRICS_PAGE_READER_H_
#define EPLB_TESTS_SERVER_METRICS_PAGE_READER_H_

#include <map>
#include <string>

#include "server/metrics/metrics_page.h"

namespace eplb::testing {

// The samples of a page by name and labels, as in `eplb_workers{deployment="a",state="live"}`: labels in order of
// their names.
std::map<std::string, double> SamplesOf(const MetricsPage& page);

// The lines that break the text format: a sample without HELP or TYPE before it, a name or label that is none, a value
// that is no number, a series that is there twice. Empty where all is well.
std::string ProblemsOf(const std::string& page_text);

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SERVER_METRICS_PAGE_READER_H_
