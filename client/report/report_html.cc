#include "client/report/report_html.h"

#include <cmath>
#include <string_view>

#include "client/report/page_template.h"
#include "nlohmann/json.hpp"
#include "server/base/check.h"

namespace eplb {
namespace {

using Json = nlohmann::ordered_json;

// Three decimals are finer than a pixel of the heat map and a third of the bytes.
Json Rounded(const std::vector<double>& values, double scale) {
  Json out = Json::array();
  for (const double value : values) out.push_back(std::round(value * scale) / scale);
  return out;
}

Json Curves(const std::vector<ReplayCurve>& replays) {
  Json curves = Json::array();
  for (const ReplayCurve& replay : replays) {
    curves.push_back({{"name", replay.name},
                      {"ours", replay.ours},
                      {"fetch_percent", replay.fetch_percent},
                      {"step_times", Rounded(replay.step_times, 1e4)}});
  }
  return curves;
}

Json ToJson(const ReportData& data) {
  return {{"title", data.title},
          {"subtitle", data.subtitle},
          {"gpus", data.num_gpus},
          {"nodes", data.num_nodes},
          {"node_of_gpu", data.node_of_gpu},
          {"layers", data.model_layers},
          {"before", Rounded(data.gpu_before, 1e3)},
          {"after", Rounded(data.gpu_after, 1e3)},
          {"balancedness", {data.balancedness_before, data.balancedness_after, data.worst_balancedness_after}},
          {"step_time", {data.step_time_before, data.step_time_after, data.lower_bound_step_time}},
          {"compute_ms", data.compute_milliseconds},
          {"fetches", data.fetches},
          {"slots", data.num_slots},
          {"twins", data.twins},
          {"experts", data.num_experts},
          {"replicas", data.replicas},
          {"share", Rounded(data.expert_share, 1e6)},
          {"node_fetches", data.node_fetches},
          {"replays", Curves(data.replays)}};
}

// JSON inside a script element: "<" is the one character that could end it.
std::string ForScript(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

std::string RenderReport(const ReportData& data) {
  const auto gpus = static_cast<std::size_t>(data.num_gpus);
  const auto experts = static_cast<std::size_t>(data.num_experts);
  const auto nodes = static_cast<std::size_t>(data.num_nodes);
  EPLB_CHECK(data.gpu_before.size() == data.model_layers.size() * gpus &&
             data.gpu_after.size() == data.gpu_before.size());
  EPLB_CHECK(data.replicas.size() == data.model_layers.size() * experts);
  EPLB_CHECK(data.expert_share.size() == data.replicas.size());
  EPLB_CHECK(data.node_of_gpu.size() == gpus && data.node_fetches.size() == nodes * nodes);

  std::string page(PageTemplate());
  constexpr std::string_view kMark = "/*DATA*/";
  const std::size_t at = page.find(kMark);
  EPLB_CHECK(at != std::string::npos);
  page.replace(at, kMark.size(), ForScript(ToJson(data)));
  return page;
}

}  // namespace eplb
