#ifndef EPLB_TESTS_SERVER_BALANCER_SEARCH_OPTIMUM_H_
#define EPLB_TESTS_SERVER_BALANCER_SEARCH_OPTIMUM_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <vector>

#include "server/base/index.h"

namespace eplb::testing {

// The least largest GPU load per speed of one layer, by branch and bound over all replica counts and all ways to place
// them: an oracle for a dozen slots. Shares no code with what it checks.
class Optimum {
 public:
  struct Problem {
    std::vector<double> loads;  // [experts]
    std::vector<int> slots_on;  // [gpus]
    std::vector<double> speed;  // [gpus]
    bool allow_twins = false;
    // Rules, none by default.
    std::vector<int> node_of_gpu = {};  // [gpus]; empty: one node
    int min_replicas = 1;
    int min_nodes = 1;
    int num_groups = 0;            // groups of consecutive experts that share a node each; 0: none
    int slot_budget = 0;           // replicas in all; 0: every slot is filled
    bool may_leave_empty = false;  // slots of the budget
  };

  explicit Optimum(Problem problem) : problem_(std::move(problem)) {}

  // Or `below`, where none is less: much sooner.
  double Find(double below = std::numeric_limits<double>::infinity()) {
    best_ = below;
    const int slots = std::accumulate(problem_.slots_on.begin(), problem_.slots_on.end(), 0);
    counts_.assign(problem_.loads.size(), problem_.min_replicas);
    const int least = problem_.min_replicas * static_cast<int>(problem_.loads.size());
    const int most = problem_.slot_budget > 0 ? std::min(slots, problem_.slot_budget) : slots;
    for (int used = problem_.may_leave_empty ? least : most; used <= most; ++used) ChooseCounts(0, used - least);
    return best_;
  }

 private:
  struct Replica {
    double load;
    std::size_t expert;
  };

  void ChooseCounts(std::size_t expert, int spare) {
    if (expert + 1 == counts_.size()) {
      counts_[expert] = problem_.min_replicas + spare;
      if (problem_.allow_twins || counts_[expert] <= static_cast<int>(problem_.slots_on.size())) PlaceCounts();
      return;
    }
    for (int more = 0; more <= spare; ++more) {
      counts_[expert] = problem_.min_replicas + more;
      if (!problem_.allow_twins && counts_[expert] > static_cast<int>(problem_.slots_on.size())) break;
      ChooseCounts(expert + 1, spare - more);
    }
    counts_[expert] = problem_.min_replicas;
  }

  int NodeOf(std::size_t gpu) const { return problem_.node_of_gpu.empty() ? 0 : problem_.node_of_gpu[gpu]; }

  bool KeepsRules() const {
    std::vector<std::set<int>> nodes(problem_.loads.size());
    for (std::size_t gpu = 0; gpu < held_.size(); ++gpu) {
      for (const std::size_t expert : held_[gpu]) nodes[expert].insert(NodeOf(gpu));
    }
    const std::size_t group_size = problem_.num_groups > 0 ? nodes.size() / Index(problem_.num_groups) : 0;
    for (std::size_t expert = 0; expert < nodes.size(); ++expert) {
      if (static_cast<int>(nodes[expert].size()) < problem_.min_nodes) return false;
      if (group_size == 0) continue;
      if (nodes[expert].size() > 1 || nodes[expert] != nodes[expert / group_size * group_size]) return false;
    }
    return true;
  }

  void PlaceCounts() {
    replicas_.clear();
    for (std::size_t expert = 0; expert < counts_.size(); ++expert) {
      for (int copy = 0; copy < counts_[expert]; ++copy) {
        replicas_.push_back({problem_.loads[expert] / counts_[expert], expert});
      }
    }
    std::ranges::stable_sort(replicas_, std::greater<>(), &Replica::load);
    gpu_load_.assign(problem_.slots_on.size(), 0);
    held_.assign(problem_.slots_on.size(), {});
    Place(0, 0);
  }

  void Place(std::size_t index, std::size_t first_gpu) {
    if (index == replicas_.size()) {
      if (!KeepsRules()) return;
      double max = 0;
      for (std::size_t gpu = 0; gpu < gpu_load_.size(); ++gpu)
        max = std::max(max, gpu_load_[gpu] / problem_.speed[gpu]);
      best_ = std::min(best_, max);
      return;
    }
    const Replica& replica = replicas_[index];
    // Replicas of one expert are alike: only rising GPUs are tried.
    const bool same = index > 0 && replicas_[index - 1].expert == replica.expert;
    for (std::size_t gpu = same ? first_gpu : 0; gpu < gpu_load_.size(); ++gpu) {
      if (static_cast<int>(held_[gpu].size()) == problem_.slots_on[gpu] || SameAsEarlier(gpu, same ? first_gpu : 0)) {
        continue;
      }
      if (!problem_.allow_twins && std::ranges::find(held_[gpu], replica.expert) != held_[gpu].end()) continue;
      if ((gpu_load_[gpu] + replica.load) / problem_.speed[gpu] >= best_) continue;
      const double before = gpu_load_[gpu];
      gpu_load_[gpu] += replica.load;
      held_[gpu].push_back(replica.expert);
      Place(index + 1, gpu);
      held_[gpu].pop_back();
      gpu_load_[gpu] = before;
    }
  }

  // An equal GPU that holds nothing yet either.
  bool SameAsEarlier(std::size_t gpu, std::size_t first) const {
    if (!held_[gpu].empty()) return false;
    for (std::size_t other = first; other < gpu; ++other) {
      if (held_[other].empty() && NodeOf(other) == NodeOf(gpu) && problem_.slots_on[other] == problem_.slots_on[gpu] &&
          problem_.speed[other] == problem_.speed[gpu]) {
        return true;
      }
    }
    return false;
  }

  const Problem problem_;
  std::vector<int> counts_;
  std::vector<Replica> replicas_;
  std::vector<double> gpu_load_;
  std::vector<std::vector<std::size_t>> held_;
  double best_ = 0;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SERVER_BALANCER_SEARCH_OPTIMUM_H_
