#ifndef EPLB_TESTS_SUPPORT_MODEL_WORKER_H_
#define EPLB_TESTS_SUPPORT_MODEL_WORKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/planner/hub.h"

namespace eplb::testing {

// A worker as the API wants it: it holds weights, so it holds the placement and its version; it applies what is newer
// and fits, stages what waits for a commit, and says hello again wherever it is connected to. It checks what it is
// sent: a delta must lead, step by step, from what it has in force to the target, through valid placements only, and
// nothing may go back. What breaks that is written to `violations`.
class ModelWorker {
 public:
  struct Options {
    DeploymentSpec spec;
    std::string worker_id;
    int first_rank = 0;
    int num_ranks = 1;
    bool watches = true;
    bool hello_with_contents = true;  // else only where it is asked for
  };
  ModelWorker(Options options, Placement initial);

  // Says hello, and opens its watch. Not OK as the hub answers.
  absl::Status Connect(Hub& hub);
  // The connection breaks: the handles are gone, what is in force and staged stays.
  void Disconnect();
  // The process restarts: a new incarnation with the initial layout.
  void Restart();
  bool connected() const { return session_ != nullptr; }

  // Sends one report by slot; answers need_full_hello. tokens(layer, slot) may be anything.
  absl::StatusOr<ReportResult> Report(std::uint64_t tokens_per_slot = 100);
  absl::Status AnswerDirectives();
  // Sends one report of these loads by expert: [layers x experts].
  absl::StatusOr<ReportResult> ReportExperts(const std::vector<std::uint64_t>& tokens);

  // Reads one event, if there is one, and notes what has to be done for it.
  bool ReadEvent();
  // Does what is to be done, well (APPLIED, PREPARED) or with this reason (REJECTED), and tells it to the hub.
  void Work(std::optional<RejectionReason> reject = std::nullopt);
  // Work is split, so that a test may lose or reorder what is told: does it, and returns what to tell.
  std::vector<PlacementStatus> DoWork(std::optional<RejectionReason> reject = std::nullopt);
  void Tell(const PlacementStatus& status);

  const std::string& id() const { return options_.worker_id; }
  PlacementVersion applied() const { return applied_; }
  const Placement& placement() const { return placement_; }
  std::uint64_t sequence() const { return sequence_; }
  // Staged this version at some time, since it was made.
  bool prepared(PlacementVersion version) const { return ever_staged_.count(version) > 0; }
  const std::vector<WatchEvent>& events() const { return events_; }
  const std::vector<std::string>& violations() const { return violations_; }
  TelemetrySession* session() { return session_.get(); }

 private:
  class Listener;

  WorkerHello MakeHello(bool with_contents) const;
  void TakeUpdate(const PlacementUpdate& update);
  std::optional<Placement> Resulting(const PlacementUpdate& update);
  PlacementStatus Status(PlacementVersion version, PlacementState state) const;
  void Violate(std::string what);

  const Options options_;
  const Placement initial_;
  Hub* hub_ = nullptr;
  int starts_ = 1;
  PlacementVersion applied_;
  Placement placement_;
  std::uint64_t sequence_ = 0;
  std::shared_ptr<const DeploymentControl> control_;
  std::unique_ptr<TelemetrySession> session_;
  std::unique_ptr<PlacementWatch> watch_;
  std::optional<PlacementUpdate> to_do_;  // read and not begun
  std::map<PlacementVersion, Placement> staged_;
  std::set<PlacementVersion> ever_staged_;
  std::optional<PlacementVersion> to_commit_;
  std::vector<WatchEvent> events_;
  std::vector<std::string> violations_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_MODEL_WORKER_H_
