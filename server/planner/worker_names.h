#ifndef EPLB_SERVER_PLANNER_WORKER_NAMES_H_
#define EPLB_SERVER_PLANNER_WORKER_NAMES_H_

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace eplb {

// "worker 'a'", "workers 'a', 'b'", "workers 'a', 'b', 'c' and 5 more": for people.
inline std::string WorkerNames(const std::vector<std::string>& ids) {
  constexpr std::size_t kNamed = 3;
  std::string text = ids.size() == 1 ? "worker" : "workers";
  for (std::size_t i = 0; i < std::min(ids.size(), kNamed); ++i)
    absl::StrAppend(&text, i > 0 ? ", '" : " '", ids[i], "'");
  if (ids.size() > kNamed) absl::StrAppend(&text, " and ", ids.size() - kNamed, " more");
  return text;
}

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_WORKER_NAMES_H_
