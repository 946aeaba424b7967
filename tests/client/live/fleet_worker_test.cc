// What a worker does when the service says, or fails to say, each thing that it may: a service that follows the test's
// script, a worker whose engine stages weights for as long as the test wants.
#include "client/live/fleet_worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "client/channel.h"
#include "server/rpc/status_details.h"
#include "tests/support/checked_engine.h"
#include "tests/support/scripted_service.h"

namespace eplb::testing {
namespace {

using ::testing::IsEmpty;

const Layout kInitial = {{0, 1, 2, 3, 0, 1}};
const Layout kNext = {{0, 1, 2, 3, 2, 3}};

// A CheckedEngine whose weights are staged when the test says so.
class HeldBackEngine final : public Engine {
 public:
  explicit HeldBackEngine(ConsistencyLog& log) : engine_("w0", kInitial, 4, 0, 6, log) {}

  void Prepare(std::shared_ptr<const PlacementChange> change, Done done) override {
    std::lock_guard lock(mutex_);
    ++prepares_;
    engine_.Prepare(std::move(change), [this, done = std::move(done)](const absl::Status& status) {
      release_ = [done, status] { done(status); };  // under the lock: called before Prepare returns
    });
    if (ready_) std::exchange(release_, nullptr)();
  }
  void Activate(const PlacementChange& change) override {
    std::lock_guard lock(mutex_);
    ++activations_;
    engine_.Activate(change);
  }
  void Discard(const PlacementChange& change) override {
    std::lock_guard lock(mutex_);
    ++discards_;
    release_ = nullptr;
    engine_.Discard(change);
  }
  std::int64_t FetchedBytes(const PlacementChange& /*change*/) override { return 4096; }
  bool TakeLoads(v1::LoadReport& /*report*/) override { return false; }

  // The weights that are being staged are there, and those of later changes at once.
  void Release() {
    std::lock_guard lock(mutex_);
    ready_ = true;
    if (release_) std::exchange(release_, nullptr)();
  }
  int prepares() const { return Get(prepares_); }
  int activations() const { return Get(activations_); }
  int discards() const { return Get(discards_); }

 private:
  int Get(const int& count) const {
    std::lock_guard lock(mutex_);
    return count;
  }

  mutable std::mutex mutex_;
  CheckedEngine engine_;
  bool ready_ = false;
  std::function<void()> release_;
  int prepares_ = 0;
  int activations_ = 0;
  int discards_ = 0;
};

v1::PlacementVersion Version(int revision) {
  v1::PlacementVersion version;
  version.set_epoch(7);
  version.set_revision(revision);
  return version;
}

v1::WatchPlacementsResponse Update(int revision, v1::Activation activation) {
  v1::WatchPlacementsResponse event;
  *event.mutable_version() = Version(revision);
  const std::vector<v1::LayerPlacement> layers = LayersOf(kNext);
  event.mutable_placement()->mutable_layers()->Assign(layers.begin(), layers.end());
  event.mutable_placement()->set_activation(activation);
  return event;
}

v1::WatchPlacementsResponse Commit(int revision) {
  v1::WatchPlacementsResponse event;
  *event.mutable_version() = Version(revision);
  event.mutable_commit();
  return event;
}

v1::WatchPlacementsResponse Abort(int revision) {
  v1::WatchPlacementsResponse event;
  *event.mutable_version() = Version(revision);
  event.mutable_abort()->set_detail("another rank could not");
  return event;
}

class FleetWorkerTest : public ::testing::Test {
 protected:
  FleetWorkerTest()
      : engine_(log_), stub_(v1::EplbService::NewStub(*NewChannel({.target = service_.target(), .one_server = true}))) {
    v1::DeploymentSpec spec;
    spec.set_deployment("prod/r1");
    worker_ = std::make_unique<FleetWorker>(FleetWorkerOptions{.spec = spec,
                                                               .worker_id = "w0",
                                                               .incarnation = "i0",
                                                               .num_ranks = 2,
                                                               .initial = LayersOf(kInitial),
                                                               .first_backoff = absl::Milliseconds(1),
                                                               .max_backoff = absl::Milliseconds(2),
                                                               .superseded_backoff = absl::Milliseconds(1)},
                                            *stub_, loop_, engine_);
    worker_->Start();
    service_.WaitForWatch(1);
  }
  ~FleetWorkerTest() override {
    worker_->Stop(false);
    EXPECT_THAT(log_.violations(), IsEmpty());
  }

  // The service dies, and another one is there that knows nothing.
  void KillService() {
    const std::size_t hellos = service_.hellos();
    service_.EndAll(absl::UnavailableError("killed"));
    service_.WaitForHello(hellos + 1);
    service_.WaitForWatch(++watches_);
  }
  void ExpectNextStatus(v1::PlacementState state, int revision) {
    const v1::ReportPlacementStatusRequest status = service_.WaitForStatus(++statuses_);
    EXPECT_EQ(status.state(), state) << status.ShortDebugString();
    EXPECT_EQ(status.version().revision(), revision);
  }
  // Up to here nothing more was told: what is on its way to the loop has been done.
  void ExpectNothingElseTold() {
    worker_->Stats();
    EXPECT_EQ(service_.statuses(), statuses_);
  }
  // A version that is published and staged here, and waits for the commit.
  void Stage(int revision) {
    service_.Say(Update(revision, v1::ACTIVATION_ON_COMMIT));
    ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, revision);
    engine_.Release();
    ExpectNextStatus(v1::PLACEMENT_STATE_PREPARED, revision);
  }

  ConsistencyLog log_;
  ScriptedService service_;
  HeldBackEngine engine_;
  EventLoop loop_;
  std::unique_ptr<v1::EplbService::Stub> stub_;
  std::unique_ptr<FleetWorker> worker_;
  std::size_t watches_ = 1;
  std::size_t statuses_ = 0;
};

TEST_F(FleetWorkerTest, PreparesCommitsAndTellsHowLongItTookAndWhatItFetched) {
  Stage(1);
  service_.Say(Commit(1));
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  const v1::ReportPlacementStatusRequest status = service_.WaitForStatus(statuses_);
  EXPECT_TRUE(status.has_elapsed());
  EXPECT_EQ(status.fetched_bytes(), 4096);
  EXPECT_EQ(worker_->Stats().applied.revision(), 1);
}

TEST_F(FleetWorkerTest, ACommitThatComesBeforeTheWeightsCounts) {
  service_.Say(Update(1, v1::ACTIVATION_ON_COMMIT));
  ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, 1);
  service_.Say(Commit(1));
  service_.Say(Update(1, v1::ACTIVATION_ON_COMMIT));  // answered, so the commit was read
  ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, 1);
  engine_.Release();
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
}

TEST_F(FleetWorkerTest, AppliesWhatItStagedWhenTheNextServiceSaysThatItIsInForce) {
  Stage(1);
  KillService();  // others had the commit already
  ExpectNextStatus(v1::PLACEMENT_STATE_PREPARED, 1);
  service_.Say(Update(1, v1::ACTIVATION_IMMEDIATE));
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  EXPECT_EQ(engine_.prepares(), 1) << "the weights were there";
  EXPECT_EQ(engine_.activations(), 1);
}

TEST_F(FleetWorkerTest, AppliesWhatItStillStagesWhenTheNextServiceSaysThatItIsInForce) {
  service_.Say(Update(1, v1::ACTIVATION_ON_COMMIT));
  ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, 1);
  KillService();
  ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, 1);
  service_.Say(Update(1, v1::ACTIVATION_IMMEDIATE));
  ExpectNextStatus(v1::PLACEMENT_STATE_ACCEPTED, 1);
  engine_.Release();
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
}

TEST_F(FleetWorkerTest, TellsAgainThatItIsPreparedWhenItIsAskedAgain) {
  Stage(1);
  service_.Say(Update(1, v1::ACTIVATION_ON_COMMIT));
  ExpectNextStatus(v1::PLACEMENT_STATE_PREPARED, 1);
  service_.Say(Commit(1));
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  EXPECT_EQ(engine_.prepares(), 1);
}

TEST_F(FleetWorkerTest, DropsWhatANewServiceAborts) {
  Stage(1);
  KillService();
  ExpectNextStatus(v1::PLACEMENT_STATE_PREPARED, 1);
  service_.Say(Abort(1));
  ExpectNextStatus(v1::PLACEMENT_STATE_REJECTED, 1);
  EXPECT_EQ(service_.WaitForStatus(statuses_).rejection_reason(), v1::REJECTION_REASON_ABORTED);
  EXPECT_EQ(engine_.discards(), 1);
  service_.Say(Update(1, v1::ACTIVATION_IMMEDIATE));  // it was in force after all
  while (service_.WaitForStatus(++statuses_).state() != v1::PLACEMENT_STATE_APPLIED) {
  }
  EXPECT_EQ(worker_->Stats().applied.revision(), 1);
}

TEST_F(FleetWorkerTest, TellsAgainThatItAppliedWhatItIsSentOnceMore) {
  Stage(1);
  service_.Say(Commit(1));
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  for (const v1::Activation activation : {v1::ACTIVATION_IMMEDIATE, v1::ACTIVATION_ON_COMMIT}) {
    service_.Say(Update(1, activation));
    ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  }
  EXPECT_EQ(engine_.prepares(), 1);
  EXPECT_EQ(engine_.activations(), 1);
  ExpectNothingElseTold();
}

TEST_F(FleetWorkerTest, StaysWithAServiceThatDrainsUntilItEndsTheStreams) {
  v1::StreamTelemetryResponse draining;
  draining.set_draining(true);
  draining.mutable_reconnect_delay()->set_nanos(1000);
  v1::WatchPlacementsResponse event;
  event.mutable_draining()->mutable_reconnect_delay()->set_nanos(1000);
  service_.Say(event);
  service_.Say(draining);
  draining.set_acked_sequence(5);
  service_.Say(draining);
  while (worker_->Stats().acknowledged < 5) std::this_thread::yield();
  Stage(1);  // the watch goes on too
  service_.Say(Commit(1));
  ExpectNextStatus(v1::PLACEMENT_STATE_APPLIED, 1);
  EXPECT_EQ(worker_->Stats().connects, 1U);
  EXPECT_EQ(service_.hellos(), 1U);
  KillService();
  EXPECT_EQ(worker_->Stats().connects, 2U);
}

TEST_F(FleetWorkerTest, ComesBackToAServiceThatHadTooMuchToDo) {
  service_.Refuse(WithRetryDelay(absl::ResourceExhaustedError("too many"), absl::Milliseconds(1)));
  service_.EndAll(absl::UnavailableError("killed"));
  service_.WaitForHello(3);  // the second was refused
  EXPECT_EQ(service_.WaitForHello(3).worker_id(), "w0");
  service_.WaitForWatch(++watches_);
}

TEST_F(FleetWorkerTest, HandsTheControlThatItWasToldBackInItsNextHello) {
  v1::StreamTelemetryResponse paused;
  paused.mutable_control()->set_comment("maintenance");
  paused.set_acked_sequence(1);
  service_.Say(paused);
  while (worker_->Stats().acknowledged < 1) std::this_thread::yield();
  service_.EndTelemetry(absl::UnavailableError("killed"));
  EXPECT_EQ(service_.WaitForHello(2).control().comment(), "maintenance");
  service_.EndTelemetry(absl::UnavailableError("killed again"));
  EXPECT_EQ(service_.WaitForHello(3).control().comment(), "maintenance");
}

}  // namespace
}  // namespace eplb::testing
