#ifndef EPLB_SERVER_TELEMETRY_WORKER_REGISTRY_H_
#define EPLB_SERVER_TELEMETRY_WORKER_REGISTRY_H_

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/telemetry/liveness.h"

namespace eplb {

// Who a worker says it is.
struct WorkerIdentity {
  std::string worker_id;
  std::string incarnation;
  int first_rank = 0;
  int num_ranks = 0;            // >= 1
  std::string user_agent = {};  // for people
};

// One worker as the registry knows it.
struct WorkerRecord {
  WorkerIdentity identity;
  Liveness liveness = Liveness::kLive;
  absl::Duration last_heard = absl::ZeroDuration();  // monotonic
};

// Which workers of one deployment there are, which ranks they report for, and who has fallen silent. Pure: time is
// passed in, as monotonic time. Not thread-safe.
//
// A worker that is silent for expire_after_intervals intervals expires: another worker may claim its ranks, and until
// it is excluded its last loads stand for those to come. After a further grace it is excluded: its ranks are planned
// around. A fresh hello brings it
// back. A rank that nobody claims is missing; it is excluded too after as long, where a placement of this service
// is or was in force (SetEstablished): then somebody did hold it.
class WorkerRegistry {
 public:
  // `now` starts the wait for ranks that nobody claims.
  WorkerRegistry(int num_ranks, int max_workers, const LivenessOptions& options, absl::Duration now);

  enum class HelloKind { kNew, kSameIncarnation, kNewIncarnation };
  struct HelloOutcome {
    HelloKind kind = HelloKind::kNew;
    Liveness former = Liveness::kLive;       // of the same worker before; kLive for a new one
    std::vector<std::string> replaced = {};  // expired workers that lost their ranks to this one, and are gone
  };

  // What a hello would do; nothing is changed. INVALID_ARGUMENT for ranks out of range, FAILED_PRECONDITION naming the
  // rank and the live worker that reports for it, RESOURCE_EXHAUSTED past max_workers.
  absl::Status Check(const WorkerIdentity& identity) const;
  // Takes it in. As Check; an error changes nothing.
  absl::StatusOr<HelloOutcome> Hello(const WorkerIdentity& identity, absl::Duration now);

  // A report came in. Unknown workers are ignored. An expired worker that reports is live again; an excluded one is
  // not: its ranks come back with a fresh hello only.
  void Heard(std::string_view worker_id, absl::Duration when);
  // Forgets a worker that said goodbye; its ranks are free, and missing.
  void Remove(std::string_view worker_id, absl::Duration now);
  // A placement of this service is in force, so that every rank was up once.
  void SetEstablished() { established_ = true; }

  struct Change {
    std::string worker_id;
    Liveness liveness;
  };
  // Applies the passing of time; each change once, in order of worker ids.
  std::vector<Change> Advance(absl::Duration now, absl::Duration interval);
  // When Advance next changes something; InfiniteDuration: never.
  absl::Duration NextDeadline(absl::Duration interval) const;

  // Null for an unknown worker; valid until the next non-const call.
  const WorkerRecord* Find(std::string_view worker_id) const;
  // By worker id.
  const std::map<std::string, WorkerRecord, std::less<>>& workers() const { return workers_; }
  int CountOf(Liveness liveness) const { return counts_[static_cast<std::size_t>(liveness)]; }

  // Ranks that no live worker reports for and that are to be planned around; rising.
  std::vector<int> ExcludedRanks() const;
  // Some rank is claimed by nobody, neither live nor silent, and not planned around yet.
  bool AwaitsUnclaimedRanks() const { return !unclaimed_excluded_ && HasUnclaimedRanks(); }

 private:
  bool HasUnclaimedRanks() const;
  void ReleaseRanks(const WorkerRecord& record);
  int& Count(Liveness liveness) { return counts_[static_cast<std::size_t>(liveness)]; }
  absl::Duration ExpireAfter(absl::Duration interval) const { return options_.expire_after_intervals * interval; }

  const int num_ranks_;
  const int max_workers_;
  const LivenessOptions options_;
  std::map<std::string, WorkerRecord, std::less<>> workers_;
  std::array<int, 3> counts_{};             // by Liveness
  std::vector<const WorkerRecord*> owner_;  // [ranks], null: unclaimed
  absl::Duration unclaimed_since_;
  bool established_ = false;
  bool unclaimed_excluded_ = false;
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_WORKER_REGISTRY_H_
