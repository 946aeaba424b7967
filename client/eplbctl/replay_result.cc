#include "client/eplbctl/replay_result.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/text_table.h"

namespace eplb {

std::string ReplayJson(const ReplayResult& result) {
  const nlohmann::ordered_json json = {{"step_time", result.step_time},
                                       {"balancedness", result.balancedness},
                                       {"fetch_percent", result.fetch_percent},
                                       {"plan_ms_median", result.plan_ms_median},
                                       {"plans", result.plans},
                                       {"windows", result.windows},
                                       {"plans_skipped", result.plans_skipped},
                                       {"fetches", result.fetches},
                                       {"gate",
                                        {{"fetches_refused", result.fetches_refused},
                                         {"gain_gpu_seconds", result.gain_gpu_seconds},
                                         {"cost_gpu_seconds", result.cost_gpu_seconds},
                                         {"saved_gpu_seconds", result.saved_gpu_seconds}}}};
  return json.dump(2) + "\n";
}

std::string ReplayTable(const std::string& title, const Topology& topology, const std::vector<NamedReplay>& replays,
                        bool colour) {
  std::string out = absl::StrCat(title, "\n", topology.num_slots(), " slots on ", topology.num_gpus(), " GPUs in ",
                                 topology.num_nodes(), topology.num_nodes() == 1 ? " node" : " nodes", "\n\n");
  TextTable table({"", "step time", "balancedness", "fetched/window", "plans", "skipped", "median plan"});
  for (const NamedReplay& replay : replays) {
    const ReplayResult& result = replay.result;
    const bool ours = &replay == &replays.front();
    table.AddRow({replay.name, Cell(Fixed(result.step_time, 4), ours ? Emphasis::kBold : Emphasis::kNone),
                  Fixed(result.balancedness, 4), Fixed(result.fetch_percent, 2) + " %", Grouped(result.plans),
                  Grouped(result.plans_skipped), Fixed(result.plan_ms_median, 2) + " ms"});
  }
  out += table.Format(colour);
  const ReplayResult& ours = replays.front().result;
  if (ours.gain_gpu_seconds > 0 || ours.fetches_refused > 0) {
    absl::StrAppend(&out, "\n", Grouped(ours.fetches), " fetches, predicted to gain ", Fixed(ours.gain_gpu_seconds, 1),
                    " GPU-seconds at a cost of ", Fixed(ours.cost_gpu_seconds, 1), "; ", Grouped(ours.fetches_refused),
                    " refused as not worth the ", Fixed(ours.saved_gpu_seconds, 1), " that they would have cost.\n");
  }
  return out;
}

}  // namespace eplb
