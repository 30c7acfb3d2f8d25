#include "tests/scale/measurement.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/scale/dashboard_reader.h"
#include "xds/proto/type_urls.h"

namespace tulle::scale {
namespace {

constexpr std::chrono::milliseconds kLookEvery{5};
constexpr std::chrono::seconds kWindow{1};
constexpr int kQuietWindows = 2;
// More than heartbeats, of a core: the control plane still works on a change.
constexpr double kBusyShare = 0.02;
// Of the time that passes: more than this, and the control plane has no time to spare.
constexpr double kBusyDemand = 0.8;
constexpr std::chrono::milliseconds kStormStep{100};

constexpr char kRoute[] = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: popular}
spec:
  parentRefs: [{kind: Service, name: svc-0, port: 80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /scale}}]
    backendRefs: [{name: svc-0, port: 80}]
)";
constexpr char kStrict[] = R"(apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
)";

double SecondsSince(Clock::time_point begin, Clock::time_point end = Clock::now()) {
  return std::chrono::duration<double>(end - begin).count();
}

// Asks the API every second from a thread of its own, and keeps the longest time of an answer,
// connection and TLS handshake included.
class ApiProbe {
 public:
  explicit ApiProbe(const std::string& admin_file)
      : thread_([this, admin_file] { Run(admin_file); }) {}
  ~ApiProbe() { Stop(); }

  double Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return longest_;
  }
  int failed() const { return failed_; }

 private:
  void Run(const std::string& admin_file) {
    auto api = MeshApi::Open(admin_file);
    while (api.ok() && !stopping_) {
      const auto begin = Clock::now();
      if (!api->GetVersion().ok()) ++failed_;
      longest_ = std::max(longest_, SecondsSince(begin));
      std::this_thread::sleep_for(kWindow);
    }
  }

  std::atomic<bool> stopping_ = false;
  int failed_ = 0;
  double longest_ = 0;
  std::thread thread_;
};

}  // namespace

Measurement::Measurement(MeasurementOptions options)
    : options_(std::move(options)),
      control_(options_.control, options_.directory + "/control", options_.pin) {}

// The sidecars go first: they would report the end of the control plane.
Measurement::~Measurement() {
  mover_.reset();
  population_.reset();
}

absl::Status Measurement::Run() {
  using Phase = absl::Status (Measurement::*)();
  const auto run = [this](Phase phase) {
    const absl::Status status = (this->*phase)();
    if (!status.ok()) report_.Fault(std::string(status.message()));
    return status;
  };
  absl::Status status = run(&Measurement::Prepare);
  if (status.ok()) status = run(&Measurement::Join);
  // Without sidecars there is nothing to measure; a change that fails leaves the others possible.
  if (status.ok()) {
    for (const Phase phase : {&Measurement::Watch, &Measurement::MoveEndpoint,
                              &Measurement::ChangeRoute, &Measurement::ChangePolicy,
                              &Measurement::Storm, &Measurement::Restart, &Measurement::Verify}) {
      status.Update(run(phase));
    }
  }
  for (const std::string& error : witness_.errors()) report_.Fault("error: " + error);
  return status;
}

absl::Status Measurement::Prepare() {
  if (absl::Status started = control_.Start(); !started.ok()) return started;
  auto api = MeshApi::Open(control_.admin_file());
  if (!api.ok()) return api.status();
  api_ = std::make_unique<MeshApi>(*std::move(api));
  population_ = std::make_unique<Population>(options_.population, options_.directory, witness_);
  return population_->MakeTokens(*api_);
}

absl::Status Measurement::Join() {
  const double memory = control_.ResidentKib();
  const double cpu = control_.CpuSeconds();
  const auto begin = Clock::now();
  if (absl::Status joined = population_->Join(control_.grpc_port()); !joined.ok()) return joined;
  const double joined = SecondsSince(begin);
  if (absl::Status served = population_->Use(*api_); !served.ok()) return served;
  const auto served_at = Clock::now();
  Idle();
  const auto count = static_cast<double>(population_->size());
  const double spent = control_.CpuSeconds() - cpu - idle_share_ * SecondsSince(served_at);
  report_.Add({"join_cpu_ms", "joining: CPU each", 1000 * spent / count, "ms", 5.0});
  report_.Add({"join_per_second", "joining: sidecars that became ready", count / joined, "1/s"});
  report_.Add({"memory_kib", "memory of tulle-control for each proxy",
               (control_.ResidentKib() - memory) / count, "KiB", 50.0, false});
  const bool has_traffic = options_.population.requests > 0;
  report_.Add({"heartbeat_share",
               has_traffic ? "heartbeats and traffic reports" : "heartbeats alone",
               100 * idle_share_, "% of a core", 5.0});
  const std::string directory = options_.directory + "/mover";
  mkdir(directory.c_str(), 0700);
  mover_ = std::make_unique<Mover>(
      Mover::Options{ServiceName(0), *SocketAddress::Parse("127.0.0.1", control_.grpc_port()),
                     population_->token_file(0), directory},
      witness_);
  return absl::OkStatus();
}

// The work of joining is done when the control plane has time to spare and uses the same share in
// every window.
void Measurement::Idle() {
  const auto begin = Clock::now();
  double former = 0;
  for (int quiet = 0; quiet <= kQuietWindows;) {
    const double cpu = control_.CpuSeconds();
    const double demand = control_.DemandSeconds();
    std::this_thread::sleep_for(2 * kWindow);
    const double share = (control_.CpuSeconds() - cpu) / 2;
    const bool has_time = (control_.DemandSeconds() - demand) / 2 < kBusyDemand;
    const bool is_steady = std::abs(share - former) < 0.3 * share + kBusyShare;
    quiet = has_time && is_steady ? quiet + 1 : 0;
    former = share;
    if (SecondsSince(begin) > options_.patience_seconds) {
      report_.Fault("joining: still busy after the last sidecar has joined");
      break;
    }
  }
  const double cpu = control_.CpuSeconds();
  const auto since = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(options_.idle_seconds));
  idle_share_ = (control_.CpuSeconds() - cpu) / SecondsSince(since);
}

void Measurement::Settle(const std::string& what) {
  const auto begin = Clock::now();
  for (int quiet = 0; quiet < kQuietWindows;) {
    const double cpu = control_.CpuSeconds();
    const auto since = Clock::now();
    std::this_thread::sleep_for(kWindow);
    const double share = (control_.CpuSeconds() - cpu) / SecondsSince(since);
    quiet = share < 1.5 * idle_share_ + kBusyShare ? quiet + 1 : 0;
    if (SecondsSince(begin) < options_.patience_seconds) continue;
    return report_.Fault(
        absl::StrCat(what, ": still busy after ", options_.patience_seconds, " s"));
  }
}

absl::Status Measurement::Change(const std::string& what,
                                 const std::function<absl::Status()>& change, size_t proxies,
                                 Cost* cost) {
  const double cpu = control_.CpuSeconds();
  const auto begin = Clock::now();
  if (absl::Status changed = change(); !changed.ok()) return changed;
  while (witness_.seen().proxies < proxies) {
    if (SecondsSince(begin) > options_.patience_seconds) {
      return absl::DeadlineExceededError(absl::StrCat(what, ": ", witness_.seen().proxies, " of ",
                                                      proxies, " proxies received it"));
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  Settle(what);
  const Witness::Seen seen = witness_.seen();
  cost->cpu_seconds = control_.CpuSeconds() - cpu - idle_share_ * SecondsSince(begin);
  cost->last_seconds = SecondsSince(begin, seen.last);
  cost->final_seconds = SecondsSince(begin, seen.final_update);
  return absl::OkStatus();
}

absl::Status Measurement::Watch() {
  if (options_.watch_seconds == 0) return absl::OkStatus();
  DashboardReader reader(*api_, HostOfService(0));
  const double cpu = control_.CpuSeconds();
  const auto begin = Clock::now();
  if (absl::Status read = reader.ReadFor(options_.watch_seconds); !read.ok()) return read;
  const double share = (control_.CpuSeconds() - cpu) / SecondsSince(begin);
  // The bar is promised for 200 sidecars.
  const std::optional<double> bar = population_->size() <= 200 ? std::optional(5.0) : std::nullopt;
  report_.Add(
      {"dashboard_share", "the same, and an open dashboard", 100 * share, "% of a core", bar});
  report_.Add(
      {"dashboard_s", "the dashboard: slowest answer", reader.slowest_seconds(), "s", 1.0, false});
  report_.Add({"dashboard_kib", "the dashboard: largest answer",
               static_cast<double>(reader.most_bytes()) / 1024, "KiB"});
  return absl::OkStatus();
}

absl::Status Measurement::MoveEndpoint() {
  const bool all = options_.population.all_clusters;
  const size_t watchers = all ? population_->size() : population_->popular_callers();
  Cost cost;
  for (const bool leaves : {false, true}) {
    witness_.Expect(xds::kEndpointType, ClusterOfService(0));
    const auto change = [&] {
      leaves ? mover_->Leave() : mover_->Move(moves_++);
      return absl::OkStatus();
    };
    const absl::Status changed = Change("one endpoint", change, watchers, &cost);
    if (!changed.ok()) return changed;
  }
  report_.Add({"endpoint_cpu_s", "one endpoint leaves: CPU", cost.cpu_seconds, "s", 0.3});
  report_.Add({"endpoint_last_s", "one endpoint leaves: last acknowledgement", cost.last_seconds,
               "s", 2.0, false});
  report_.Add({"endpoint_proxies", "one endpoint leaves: proxies told",
               static_cast<double>(witness_.seen().proxies), "", static_cast<double>(watchers)});
  return absl::OkStatus();
}

absl::Status Measurement::ChangeRoute() {
  witness_.Expect(xds::kRouteType, RoutesOfService(0));
  Cost cost;
  const absl::Status changed = Change(
      "one HTTPRoute", [&] { return api_->Apply(kRoute); }, population_->popular_callers(), &cost);
  if (!changed.ok()) return changed;
  report_.Add({"route_cpu_s", "one HTTPRoute: CPU", cost.cpu_seconds, "s", 0.3});
  report_.Add(
      {"route_last_s", "one HTTPRoute: last acknowledgement", cost.last_seconds, "s", 2.0, false});
  return absl::OkStatus();
}

absl::Status Measurement::ChangePolicy() {
  witness_.Expect(xds::kListenerType, "");
  Cost cost;
  const absl::Status changed = Change(
      "a mesh-wide policy", [&] { return api_->Apply(kStrict); }, population_->size(), &cost);
  if (!changed.ok()) return changed;
  report_.Add({"policy_cpu_s", "a mesh-wide policy: CPU", cost.cpu_seconds, "s", 10.0});
  report_.Add({"policy_last_s", "a mesh-wide policy: last acknowledgement", cost.final_seconds, "s",
               10.0, false});
  return absl::OkStatus();
}

absl::StatusOr<double> Measurement::LongestLag(int first,
                                               const std::vector<Clock::time_point>& sent,
                                               size_t watchers) {
  double longest = 0;
  for (int number = first; number < moves_; ++number) {
    const auto seen = witness_.AllSaw(number, watchers);
    if (!seen) {
      return absl::DeadlineExceededError(
          absl::StrCat("10 changes a second: change ", number, " of ", first, " to ", moves_ - 1,
                       " did not arrive; ", mover_->done(), " were made"));
    }
    longest = std::max(longest, SecondsSince(sent[static_cast<size_t>(number - first)], *seen));
  }
  return longest;
}

absl::Status Measurement::Storm() {
  if (options_.storm_seconds == 0) return absl::OkStatus();
  witness_.WatchMover(ClusterOfService(0));
  const int first = moves_;
  const double cpu = control_.CpuSeconds();
  const auto begin = Clock::now();
  ApiProbe probe(control_.admin_file());
  std::vector<Clock::time_point> sent;
  for (int i = 0; i < options_.storm_seconds * 10; ++i) {
    std::this_thread::sleep_until(begin + i * kStormStep);
    sent.push_back(Clock::now());
    mover_->Move(moves_++);
  }
  const double share = (control_.CpuSeconds() - cpu) / SecondsSince(begin) - idle_share_;
  const size_t watchers =
      options_.population.all_clusters ? population_->size() : population_->popular_callers();
  const auto patience = Clock::now() + std::chrono::seconds(options_.patience_seconds);
  while (!witness_.AllSaw(moves_ - 1, watchers) && Clock::now() < patience) {
    std::this_thread::sleep_for(kLookEvery);
  }
  const double api_seconds = probe.Stop();
  const auto lag = LongestLag(first, sent, watchers);
  if (!lag.ok()) return lag.status();
  report_.Add({"storm_share", "10 endpoint changes a second", 100 * share, "% of a core"});
  report_.Add({"storm_lag_s", "10 endpoint changes a second: longest lag", *lag, "s", 2.0, false});
  report_.Add({"storm_api_s", "10 endpoint changes a second: slowest API call", api_seconds, "s",
               1.0, false});
  report_.Add({"storm_failed", "10 endpoint changes a second: calls that failed",
               static_cast<double>(mover_->failed() + probe.failed()), "", 0.0});
  Settle("10 endpoint changes a second");
  return absl::OkStatus();
}

absl::Status Measurement::Restart() {
  mover_.reset();
  const auto begin = Clock::now();
  control_.Kill();
  while (witness_.ready() > 0) std::this_thread::sleep_for(kLookEvery);
  if (absl::Status started = control_.Start(); !started.ok()) return started;
  while (witness_.ready() < population_->size()) {
    if (SecondsSince(begin) > options_.patience_seconds) {
      return absl::DeadlineExceededError(
          absl::StrCat("restart: ", witness_.ready(), " of ", population_->size(), " are back"));
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  const double back = SecondsSince(begin, witness_.ready_since());
  Settle("restart");
  const double spent = control_.CpuSeconds() - idle_share_ * (SecondsSince(begin) - back);
  report_.Add({"restart_cpu_s", "restart after SIGKILL: CPU", spent, "s", 30.0});
  report_.Add({"restart_back_s", "restart after SIGKILL: all are back", back, "s", 30.0, false});
  return absl::OkStatus();
}

// What the control plane itself says at the end.
absl::Status Measurement::Verify() {
  const auto synced = api_->SyncedProxies();
  if (!synced.ok()) return synced.status();
  const auto healthy = api_->HealthyWorkloads();
  if (!healthy.ok()) return healthy.status();
  report_.Add({"synced", "proxies in sync at the end", static_cast<double>(*synced), ""});
  report_.Add(
      {"healthy", "workloads that get traffic at the end", static_cast<double>(*healthy), ""});
  if (*synced < population_->size() || *healthy < population_->size())
    report_.Fault("not every sidecar is in sync and healthy at the end");
  return absl::OkStatus();
}

}  // namespace tulle::scale
