#include "tests/simulation/campaign.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "net/tls/sim_transports.h"
#include "sidecar/upstream/admission.h"
#include "sidecar/upstream/cluster_spec.h"
#include "tests/simulation/http_caller.h"
#include "tests/simulation/mesh.h"
#include "tests/simulation/mesh_run.h"

namespace tulle::simulation {
namespace {

using Outcome = sim::Simulation::Outcome;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr size_t kCallers = 6;
constexpr int kRequestsEach = 12;
constexpr minutes kLongest(10);
constexpr double kMostMemory = 64 << 20;

enum class Theme : uint8_t { kOnce, kRetries, kBreaker };

constexpr char kPolicy[] = R"(
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  timeouts: {request: 20s}
  limits: {perClientMaxRequests: $0, perClientMaxConnections: $1}
$2)";
constexpr char kOnce[] = "  breaker: {consecutiveFailures: 0}\n";
constexpr char kRetries[] =
    "  retries: {attempts: 4, on: [gateway-error, reset, connect-failure], budget: {percent: "
    "100}}\n"
    "  breaker: {consecutiveFailures: 0}\n";
constexpr char kBreaker[] =
    "  retries: {attempts: 0}\n"
    "  breaker: {consecutiveFailures: 3, openFor: 1s, maxOpenFor: 8s, maxOpenPercent: 100}\n";
class Campaign {
 public:
  explicit Campaign(uint64_t seed)
      : random_(seed * 7 + 1),
        theme_(static_cast<Theme>(random_.Below(3))),
        most_requests_(1 + static_cast<uint32_t>(random_.Below(8))),
        most_connections_(1 + static_cast<uint32_t>(random_.Below(4))),
        mesh_(seed, Weather(), Habits(), Wires()) {}

  std::vector<std::string> Play();

 private:
  sim::FaultPlan Weather();
  OriginHabits Habits();
  MeshWires Wires();
  double Part(double most) { return most * static_cast<double>(random_.Below(1000)) / 1000; }

  void AddCallers(int requests_each, loop::Duration pause);
  bool Finished() const;
  bool RunCallers();
  void Operate();
  void PlayBreaker();
  void PushLast();
  void CheckLimits();
  void CheckGivenBack();
  void CheckRepeats();
  void CheckMetrics();
  void Find(std::string what) {
    if (findings_.size() < 10) findings_.push_back(std::move(what));
  }

  loop::Random random_;
  const Theme theme_;
  const uint32_t most_requests_, most_connections_;
  Mesh mesh_;
  std::vector<std::unique_ptr<HttpCaller>> callers_;
  std::vector<std::string> findings_;
  bool shifted_ = false;
};

sim::FaultPlan Campaign::Weather() {
  sim::FaultPlan plan;
  plan.short_io = Part(0.3);
  plan.maximum_segment = 500 + random_.Below(16000);
  if (theme_ == Theme::kBreaker) return plan;
  plan.reset = Part(0.003);
  plan.refuse = Part(0.02);
  plan.delay = Part(0.03);
  plan.stall = Part(0.01);
  if (random_.Below(2) == 0) plan.partition_interval = seconds(5);
  return plan;
}

OriginHabits Campaign::Habits() {
  OriginHabits habits;
  habits.thinking = milliseconds(1 + random_.Below(20));
  if (theme_ == Theme::kBreaker) return habits;
  if (random_.Below(2) == 0) habits.one_in_fails = 20;
  if (random_.Below(2) == 0) habits.one_in_aborts = 20;
  return habits;
}

MeshWires Campaign::Wires() {
  return {&tls::SimTransports(), random_.Below(2) == 0, 1 + static_cast<int>(random_.Below(2))};
}

void Campaign::AddCallers(int requests_each, loop::Duration pause) {
  callers_.clear();
  for (size_t i = 0; i < kCallers; ++i) {
    Calls calls;
    calls.authority = Mesh::kAuthority;
    calls.count = requests_each;
    calls.pause = pause;
    calls.http2 = mesh_.wires().http2;
    calls.prefix = absl::StrCat("/", random_.Next());
    callers_.push_back(std::make_unique<HttpCaller>(
        mesh_.caller_loop(), *SocketAddress::ParseWithPort(Mesh::kOutbound), calls));
  }
}

bool Campaign::Finished() const {
  return std::all_of(callers_.begin(), callers_.end(),
                     [](const auto& caller) { return caller->done(); });
}

bool Campaign::RunCallers() {
  const Outcome outcome = mesh_.world().RunUntil(
      [this] {
        CheckLimits();
        return Finished();
      },
      kLongest);
  if (outcome != Outcome::kConditionMet) {
    Find("a request never ended");
    return false;
  }
  for (const auto& caller : callers_) {
    if (caller->wrong() > 0) Find("an answer belongs to another question");
  }
  return true;
}

// What an operator does, and what happens meanwhile, all within a few seconds.
void Campaign::Operate() {
  for (int i = 0; i < 6; ++i) {
    const auto pause = milliseconds(20 + random_.Below(300));
    mesh_.world().RunUntil(
        [this] {
          CheckLimits();
          return false;
        },
        pause);
    switch (random_.Below(8)) {
      case 0:
        if (!mesh_.rotating()) mesh_.RotateRoot();
        break;
      case 1:
        mesh_.ResetConnections();
        break;
      case 2:
        mesh_.RestartPost();
        break;
      case 3:
        mesh_.RestartShop();
        break;
      case 4:
        mesh_.Partition(milliseconds(random_.Below(2000)));
        break;
      case 5:
        // Certificates are valid from five minutes before they are issued; further in the past none
        // is valid.
        if (!shifted_) mesh_.world().ShiftWallClock(minutes(random_.Below(2) == 0 ? 60 : -4));
        shifted_ = true;
        break;
      default:
        mesh_.Apply(absl::Substitute(kPolicy, most_requests_, most_connections_,
                                     theme_ == Theme::kOnce ? kOnce : kRetries));
        break;
    }
  }
}

void Campaign::CheckLimits() {
  mesh_.shop().sidecar().VisitLimits(
      [this](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& limits) {
        if (!cluster.name.starts_with("outbound|")) return;
        // A limit that was lowered below the current use applies to new requests.
        if (cluster.caps.requests != most_requests_) return;
        if (limits.requests.count() > most_requests_) Find("more requests than allowed");
        // Each worker may have at least one.
        const auto workers = static_cast<uint32_t>(limits.workers);
        if (limits.connections.count() > std::max(most_connections_, workers))
          Find("more connections than allowed");
      });
}

void Campaign::CheckGivenBack() {
  mesh_.world().RunFor(seconds(30));
  for (MeshMember* member : {&mesh_.shop(), &mesh_.post()}) {
    member->sidecar().VisitLimits(
        [this](const upstream::ClusterSpec& cluster, upstream::ClusterLimits& limits) {
          const uint32_t held =
              limits.requests.count() + limits.pending.count() + limits.retries.count();
          if (held != 0) Find(absl::StrCat(cluster.name, " still counts what has ended"));
        });
  }
}

void Campaign::CheckRepeats() {
  for (const auto& [request, count] : mesh_.origin().processed()) {
    const bool safe = request.starts_with("GET ");
    // Each hop may repeat a safe request once, on a connection that closed under it.
    const int most = safe ? 4 : 1;
    if (count > most) Find(absl::StrCat(request, " was processed ", count, " times"));
  }
}

void Campaign::CheckMetrics() {
  const std::string post = mesh_.post().Metrics();
  for (size_t at = 0; (at = post.find("istio_requests_total{", at)) != std::string::npos; ++at) {
    const std::string_view row = std::string_view(post).substr(at, post.find('\n', at) - at);
    if (row.find("connection_security_policy=\"none\"") != std::string_view::npos)
      Find("a request came in plaintext");
  }
  for (const std::string& text : {post, mesh_.shop().Metrics()}) {
    constexpr std::string_view kMemory = "\ntulle_worker_memory_bytes{";
    for (size_t at = 0; (at = text.find(kMemory, at)) != std::string::npos; ++at) {
      const size_t value = text.find("} ", at) + 2;
      if (std::atof(text.c_str() + value) > kMostMemory) Find("a worker's memory is not bounded");
    }
  }
}

// After the push every response has the marker; before all sidecars have it some may.
void Campaign::PushLast() {
  mesh_.Apply(kMarkerRoute);
  for (int i = 0; i < 100; ++i) {
    AddCallers(4, milliseconds(200));
    if (!RunCallers()) return;
    int ok = 0, marked = 0;
    for (const auto& caller : callers_) {
      ok += caller->with_status(200);
      marked += caller->marked();
    }
    if (ok > 0 && marked >= ok) return;
    mesh_.world().RunFor(seconds(2));
  }
  Find("what was pushed last is not in force everywhere");
}

void Campaign::PlayBreaker() {
  mesh_.origin().Break(true);
  AddCallers(40, milliseconds(200));
  if (!RunCallers()) return;
  const std::vector<loop::Instant>& arrivals = mesh_.origin().broken_arrivals();
  // Those in flight when it opened.
  for (size_t i = 3 + kCallers; i < arrivals.size(); ++i) {
    if (arrivals[i] - arrivals[i - 1] < milliseconds(700)) Find("more than one trial at a time");
  }
  if (arrivals.size() < 4) Find("no trial was made");
  mesh_.origin().Break(false);
  mesh_.world().RunFor(seconds(20));
  for (int i = 0; i < 3; ++i) {
    AddCallers(2, milliseconds(2000));
    if (!RunCallers()) return;
    mesh_.world().RunFor(seconds(5));
  }
  for (const auto& caller : callers_) {
    if (caller->with_status(200) != 2) Find("the breaker does not close");
  }
}

std::vector<std::string> Campaign::Play() {
  if (!mesh_.Join()) {
    Find("the sidecars do not join:\n" + mesh_.log_text());
    return findings_;
  }
  const char* policy = theme_ == Theme::kOnce      ? kOnce
                       : theme_ == Theme::kRetries ? kRetries
                                                   : kBreaker;
  const uint32_t requests = theme_ == Theme::kBreaker ? 100 : most_requests_;
  const uint32_t connections = theme_ == Theme::kBreaker ? 100 : most_connections_;
  mesh_.Apply(absl::Substitute(kPolicy, requests, connections, policy));
  mesh_.world().RunFor(seconds(3));
  if (theme_ == Theme::kBreaker) {
    PlayBreaker();
  } else {
    AddCallers(kRequestsEach, milliseconds(100));
    Operate();
    if (!RunCallers()) return findings_;
    PushLast();
    if (theme_ == Theme::kOnce) CheckRepeats();
  }
  CheckGivenBack();
  CheckMetrics();
  return findings_;
}

}  // namespace

std::vector<std::string> PlayCampaign(uint64_t seed) { return Campaign(seed).Play(); }

}  // namespace tulle::simulation
