#include "tests/server/metrics/page_reader.h"

#include <cstdlib>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace eplb::testing {
namespace {

// No label value of ours holds a comma or a brace.
std::string WithSortedLabels(const std::string& series) {
  const std::size_t brace = series.find('{');
  if (brace == std::string::npos) return series;
  const std::string inner = series.substr(brace + 1, series.size() - brace - 2);
  const std::set<std::string> labels = absl::StrSplit(inner, ',');
  return absl::StrCat(series.substr(0, brace), "{", absl::StrJoin(labels, ","), "}");
}

std::string BaseName(const std::string& series) {
  const std::string name = series.substr(0, series.find('{'));
  return std::regex_replace(name, std::regex("_(bucket|sum|count)$"), "");
}

}  // namespace

std::map<std::string, double> SamplesOf(const MetricsPage& page) {
  std::map<std::string, double> samples;
  std::istringstream lines(page.ToText());
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.rfind(' ');
    if (line.empty() || line[0] == '#') continue;
    samples[WithSortedLabels(line.substr(0, space))] = std::strtod(line.c_str() + space + 1, nullptr);
  }
  return samples;
}

std::string ProblemsOf(const std::string& page_text) {
  static const std::regex kSample(
      R"(([a-zA-Z_][a-zA-Z0-9_]*)(\{([a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*)?\})? (-?[0-9.]+(e[-+]?[0-9]+)?|\+Inf|-Inf|Nan))");
  std::set<std::string> helped;
  std::set<std::string> typed;
  std::set<std::string> seen;
  std::string problems;
  std::istringstream lines(page_text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words[0] == "#") {
      std::set<std::string>& told = words[1] == "HELP" ? helped : typed;
      if (words.size() < 4 || !told.insert(words[2]).second) absl::StrAppend(&problems, line, "\n");
      continue;
    }
    const std::string series = line.substr(0, line.rfind(' '));
    const std::string name = BaseName(series);
    const bool known = (helped.count(name) == 1 && typed.count(name) == 1) ||
                       (helped.count(words[0].substr(0, words[0].find('{'))) == 1);
    if (!known || !std::regex_match(line, kSample) || !seen.insert(series).second) {
      absl::StrAppend(&problems, line, "\n");
    }
  }
  return problems;
}

}  // namespace eplb::testing
