#include "tests/simulation/mesh_member.h"

#include <gtest/gtest.h>

#include <utility>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/traffic_observer.h"
#include "telemetry/prometheus.h"

namespace tulle::simulation {

// Reports ended requests to the trace and the test, and passes them on to the product's own
// observer.
class MeshMember::Witness final : public proxy::Observer {
 public:
  Witness(MeshMember& member, size_t worker)
      : member_(member),
        observer_(*member.worker_loops_[worker], *member.worker_metrics_[worker],
                  static_cast<int>(worker), member.access_log_) {}

  void OnRequestEnd(const proxy::Call& call) override {
    const proxy::DecisionRecord& record = call.record;
    ++member_.exchanges_;
    if (record.retries.attempts > 1) ++member_.retried_;
    member_.world_.Note("exchange", static_cast<uint64_t>(member_.host_),
                        static_cast<uint64_t>(record.status));
    observer_.OnRequestEnd(call);
  }
  void OnRelayOpened(const proxy::TcpRelay& relay) override { observer_.OnRelayOpened(relay); }
  void OnRelayEnd(const proxy::TcpRelay& relay) override { observer_.OnRelayEnd(relay); }
  void OnOwnWorkload(const proxy::Workload& own) override {
    member_.world_.Note("identity", static_cast<uint64_t>(member_.host_), 0);
    observer_.OnOwnWorkload(own);
  }

 private:
  MeshMember& member_;
  proxy::TrafficObserver observer_;
};

MeshMember::MeshMember(sim::Simulation& world, int host, uint64_t key_seed,
                       const tls::SecureTransports& transports,
                       const sidecar::Membership::Options& options, telemetry::Log& log,
                       int workers)
    : world_(world), host_(host), main_loop_(world.NewLoop(host)), keys_(key_seed) {
  sidecar::Sidecar::Options parts;
  parts.workers = workers;
  parts.new_worker = [this](int index) {
    worker_loops_.push_back(world_.NewLoop(host_));
    worker_metrics_.push_back(std::make_unique<telemetry::Registry>());
    return std::make_unique<sidecar::WorkerOnLoop>(
        *worker_loops_.back(), std::make_unique<Witness>(*this, static_cast<size_t>(index)));
  };
  sidecar_ = std::make_unique<sidecar::Sidecar>(*main_loop_, transports, std::move(parts));
  sidecar_->OnVersionInForce([this] {
    world_.Note("in force", static_cast<uint64_t>(host_), 0);
    if (membership_ != nullptr) membership_->OnVersionInForce();
    for (const sidecar::ListenerError& error : sidecar_->errors()) ADD_FAILURE() << error.ToText();
  });
  auto membership =
      sidecar::Membership::Make(*main_loop_, *sidecar_, transports, keys_, options, log, metrics_);
  EXPECT_TRUE(membership.ok()) << membership.status();
  membership_ = *std::move(membership);
  membership_->Start();
}

MeshMember::~MeshMember() = default;

bool MeshMember::ready() const {
  return sidecar_->ready() && membership_->registered() && membership_->connected();
}

std::string MeshMember::Metrics() const {
  std::vector<const telemetry::Registry*> all = {&metrics_};
  for (const auto& registry : worker_metrics_) all.push_back(registry.get());
  return telemetry::PrometheusText(telemetry::Collect(all));
}

}  // namespace tulle::simulation
