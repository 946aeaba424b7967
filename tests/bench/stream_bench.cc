// Telemetry over many streams, with the server in a process of its own: its CPU time per report, its resident memory,
// and whether every report was folded. Beside it, in the same run, a server that only parses the same reports and
// drops them: the least that a report can cost.
//
// Usage: stream_bench [streams] [reports per stream]
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/client_callback.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/base/check.h"
#include "server/planner/adaptive_tick_planner.h"
#include "server/planner/hub.h"
#include "server/rpc/telemetry_stream.h"
#include "tests/support/in_process_server.h"

namespace eplb {
namespace {

constexpr int kLayers = 58;
constexpr int kLocalSlots = 9;
constexpr int kWorkersPerDeployment = 32;
constexpr int kChannels = 8;

using Call = v1::EplbService::Stub;

v1::StreamTelemetryRequest Hello(int worker) {
  v1::StreamTelemetryRequest request;
  v1::TelemetryHello& hello = *request.mutable_hello();
  hello.set_worker_id("w" + std::to_string(worker));
  hello.set_incarnation("i");
  hello.set_first_rank(worker % kWorkersPerDeployment);
  hello.set_num_ranks(1);
  v1::DeploymentSpec& spec = *hello.mutable_spec();
  spec.set_deployment("bench/" + std::to_string(worker / kWorkersPerDeployment));
  spec.mutable_topology()->set_num_gpus(kWorkersPerDeployment);
  spec.mutable_topology()->set_num_slots(kWorkersPerDeployment * kLocalSlots);
  spec.set_num_experts(256);
  for (int layer = 0; layer < kLayers; ++layer) {
    spec.add_model_layers(3 + layer);
    v1::LayerPlacement& current = *hello.add_current();
    current.set_model_layer(3 + layer);
    for (int slot = 0; slot < kWorkersPerDeployment * kLocalSlots; ++slot) current.add_physical_to_logical(slot % 256);
  }
  return request;
}

v1::StreamTelemetryRequest Report() {
  v1::StreamTelemetryRequest request;
  v1::LoadReport& report = *request.mutable_report();
  report.mutable_window()->set_seconds(1);
  for (int i = 0; i < kLayers * kLocalSlots; ++i)
    report.add_slot_tokens(static_cast<std::uint64_t>(1000 + i * 7 % 500));
  return request;
}

// Parses and drops.
class DropReactor final : public grpc::ServerBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse> {
 public:
  DropReactor() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (ok) return StartRead(&request_);
    Finish(grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  v1::StreamTelemetryRequest request_;
};

class DropService final : public v1::EplbService::WithCallbackMethod_StreamTelemetry<v1::EplbService::Service> {
  grpc::ServerBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse>* StreamTelemetry(
      grpc::CallbackServerContext*) override {
    return new DropReactor();
  }
};

// Writes the port to `ready` and waits for a byte on `stop`, or its end.
void Announce(int port, int ready, int stop) {
  EPLB_CHECK(write(ready, &port, sizeof(port)) == sizeof(port));
  char byte = 0;
  EPLB_CHECK(read(stop, &byte, 1) >= 0);
}

void ServeService(int ready, int stop) {
  HubOptions options;
  options.report_interval = absl::Seconds(3600);  // folding alone, no plans
  const SerialFor serial;
  const AdaptiveTickPlanner planner(serial);
  const std::unique_ptr<Hub> hub = CreateHub(options, RealClock(), planner, nullptr);
  InProcessServerOptions server_options;
  server_options.parts.hub = hub.get();
  InProcessServer server(server_options);
  Announce(server.server().port(), ready, stop);
}

void ServeDrop(int ready, int stop) {
  DropService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Announce(port, ready, stop);
  server->Shutdown(absl::ToChronoTime(absl::Now()));
}

// A server in a child process, made before this process has touched gRPC.
class ChildServer {
 public:
  explicit ChildServer(void (*serve)(int ready, int stop)) {
    std::array<int, 2> ready;
    std::array<int, 2> stop;
    EPLB_CHECK(pipe(ready.data()) == 0 && pipe(stop.data()) == 0);
    pid_ = fork();
    EPLB_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      close(stop[1]);
      serve(ready[1], stop[0]);
      _exit(0);
    }
    close(stop[0]);
    stop_ = stop[1];
    EPLB_CHECK(read(ready[0], &port_, sizeof(port_)) == sizeof(port_));
  }

  int port() const { return port_; }

  // CPU seconds and peak memory of the whole life of the server.
  rusage Stop() {
    EPLB_CHECK(write(stop_, "x", 1) == 1);
    close(stop_);
    rusage usage{};
    EPLB_CHECK(wait4(pid_, nullptr, 0, &usage) == pid_);
    return usage;
  }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
  int port_ = 0;
};

// Sends a hello and then reports, one after the other, and says goodbye; where the server acknowledges, once it has
// acknowledged all of them.
class Worker final : public grpc::ClientBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse> {
 public:
  Worker(Call& stub, int worker, int reports, bool acknowledged, std::atomic<int>& open, std::atomic<int>& failed)
      : hello_(Hello(worker)),
        report_(Report()),
        reports_(reports),
        acknowledged_(acknowledged),
        open_(open),
        failed_(failed) {
    stub.async()->StreamTelemetry(&context_, this);
    StartRead(&response_);
    StartWrite(&hello_);
    StartCall();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return;
    if (sent_ == reports_) {
      if (!acknowledged_) StartWritesDone();
      return;
    }
    report_.mutable_report()->set_sequence(static_cast<std::uint64_t>(++sent_));
    StartWrite(&report_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.acked_sequence() == static_cast<std::uint64_t>(reports_)) StartWritesDone();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    if (!status.ok() || sent_ != reports_) ++failed_;
    --open_;
  }

 private:
  grpc::ClientContext context_;
  v1::StreamTelemetryRequest hello_;
  v1::StreamTelemetryRequest report_;
  v1::StreamTelemetryResponse response_;
  const int reports_;
  const bool acknowledged_;
  int sent_ = 0;
  std::atomic<int>& open_;
  std::atomic<int>& failed_;
};

void Drive(int port, int streams, int reports, bool acknowledged) {
  std::vector<std::unique_ptr<Call>> stubs;
  for (int i = 0; i < kChannels; ++i) {
    stubs.push_back(v1::EplbService::NewStub(NewPlaintextChannel("127.0.0.1:" + std::to_string(port))));
  }
  std::atomic<int> open = streams;
  std::atomic<int> failed = 0;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < streams; ++i) {
    workers.push_back(std::make_unique<Worker>(*stubs[static_cast<std::size_t>(i % kChannels)], i, reports,
                                               acknowledged, open, failed));
  }
  while (open > 0) absl::SleepFor(absl::Milliseconds(10));
  if (failed > 0) std::printf("%d of %d streams failed\n", failed.load(), streams);
}

double CpuSeconds(const rusage& usage) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Measure(const char* name, ChildServer& server, int streams, int reports, bool acknowledged) {
  const absl::Time start = absl::Now();
  Drive(server.port(), streams, reports, acknowledged);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  const rusage usage = server.Stop();
  const double total = static_cast<double>(streams) * reports;
  const double microseconds = CpuSeconds(usage) / total * 1e6;
  std::printf("%-14s %8.2f us CPU/report  %9.0f reports/s  %7.1f MiB peak\n", name, microseconds, total / seconds,
              static_cast<double>(usage.ru_maxrss) / 1024.0);
  return microseconds;
}

int Run(int argc, char** argv) {
  const int streams = argc > 1 ? std::atoi(argv[1]) : 256;
  const int wanted = argc > 2 ? std::atoi(argv[2]) : 400;
  const int reports =
      wanted - wanted % TelemetryStream::kReportsPerAcknowledgement;  // so that the last is acknowledged
  ChildServer drop(&ServeDrop);
  ChildServer service(&ServeService);
  std::printf("%d streams x %d reports of %d layers x %d slots\n", streams, reports, kLayers, kLocalSlots);
  const double least = Measure("parse and drop", drop, streams, reports, false);
  const double ours = Measure("service", service, streams, reports, true);
  std::printf("ratio          %8.2f\n", ours / least);
  return 0;
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) { return eplb::Run(argc, argv); }
