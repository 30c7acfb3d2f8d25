#include "tests/simulation/mesh_run.h"

#include <memory>
#include <vector>

#include "tests/simulation/http_caller.h"

namespace tulle::simulation {
namespace {

using Outcome = sim::Simulation::Outcome;

constexpr int kCallers = 4;
constexpr std::chrono::minutes kLongest(10);

constexpr char kRetries[] = R"(
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  retries: {attempts: 4, on: [gateway-error, reset, connect-failure], budget: {percent: 100}}
  breaker: {consecutiveFailures: 0}
)";

class Callers {
 public:
  Callers(Mesh& mesh, int requests_each) {
    const Calls calls{.authority = Mesh::kAuthority,
                      .count = requests_each,
                      .pause = std::chrono::milliseconds(20),
                      .http2 = mesh.wires().http2};
    for (int i = 0; i < kCallers; ++i) {
      callers_.push_back(std::make_unique<HttpCaller>(
          mesh.caller_loop(), *SocketAddress::ParseWithPort(Mesh::kOutbound), calls));
    }
  }
  int finished() const {
    int finished = 0;
    for (const auto& caller : callers_) finished += caller->answered() + caller->lost();
    return finished;
  }
  void Count(MeshTally& tally) const {
    for (const auto& caller : callers_) {
      tally.answered += caller->answered();
      tally.ok += caller->with_status(200);
      tally.lost += caller->lost();
      tally.wrong += caller->wrong();
      tally.marked += caller->marked();
    }
  }

 private:
  std::vector<std::unique_ptr<HttpCaller>> callers_;
};

}  // namespace

const char kMarkerRoute[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, group: "", name: post}]
  rules:
  - filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-marker, value: pushed}]}
    backendRefs: [{name: post, port: 80}]
)";

MeshTally AskMesh(Mesh& mesh, int requests_each) {
  MeshTally tally;
  Callers callers(mesh, requests_each);
  tally.outcome = mesh.world().RunUntil(
      [&] { return callers.finished() >= kCallers * requests_each; }, kLongest);
  callers.Count(tally);
  return tally;
}

MeshTally PlayMesh(Mesh& mesh, int requests_each) {
  MeshTally tally;
  tally.joined = mesh.Join();
  if (!tally.joined) return tally;
  mesh.Apply(kRetries);
  mesh.world().RunFor(std::chrono::seconds(1));
  Callers callers(mesh, requests_each);
  const int all = kCallers * requests_each;
  const auto run_to = [&](int finished) {
    return mesh.world().RunUntil([&] { return callers.finished() >= finished; }, kLongest);
  };
  run_to(all / 4);
  mesh.Apply(kMarkerRoute);
  run_to(all / 2);
  mesh.RotateRoot();
  run_to(all * 3 / 4);
  tally.resets = mesh.ResetConnections();
  tally.outcome = run_to(all);
  callers.Count(tally);
  tally.rotated =
      mesh.world().RunUntil([&] { return !mesh.rotating(); }, kLongest) == Outcome::kConditionMet;
  return tally;
}

}  // namespace tulle::simulation
