#include "sidecar/dataplane/sidecar.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/proxy/downstream_limit.h"
#include "sidecar/proxy/request_telemetry.h"

namespace tulle::sidecar {
namespace {

// Envoy's initial_fetch_timeout.
constexpr loop::Duration kWaitForResources = std::chrono::seconds(15);

}  // namespace

Sidecar::Sidecar(loop::Loop& main, const tls::SecureTransports& transports, Options options)
    : main_(main),
      loader_(transports),
      limits_(options.workers),
      health_checks_(main),
      rollout_(main, workers_,
               [this] {
                 if (on_in_force_) on_in_force_();
               }),
      draining_(main, workers_) {
  waiting_timer_ = main_.NewTimer([this] {
    loader_.GiveUpWaiting();
    Publish();
  });
  for (int i = 0; i < options.workers; ++i) workers_.push_back(options.new_worker(i));
}

Sidecar::~Sidecar() = default;

void Sidecar::LimitDownstream(uint64_t connections) {
  downstream_limit_ = std::make_shared<proxy::DownstreamLimit>(connections);
}

void Sidecar::Publish(std::string_view source) {
  if (before_publish_) before_publish_();
  std::shared_ptr<const config::Snapshot> snapshot = loader_.Current();
  if (!loader_.is_waiting()) {
    waiting_timer_->Stop();
  } else if (!waiting_timer_->active()) {
    waiting_timer_->Start(kWaitForResources);
  }
  if (snapshot == published_) return;
  published_ = snapshot;
  std::string name = absl::StrCat(++versions_, source.empty() ? "" : ": ", std::string(source));
  const std::shared_ptr<const Version> version =
      MakeVersion(std::move(snapshot), limits_, downstream_limit_, std::move(name));
  CheckHealth(*version);
  rollout_.Start(version);
}

void Sidecar::CheckHealth(const Version& version) {
  std::set<std::string> checked;
  for (const auto& [name, cluster] : version.snapshot->clusters) {
    if (cluster->health_checks.empty()) continue;
    std::shared_ptr<const upstream::EndpointSet> endpoints = cluster->static_endpoints;
    const auto found = version.snapshot->endpoints.find(cluster->eds_name);
    if (cluster->uses_eds)
      endpoints = found == version.snapshot->endpoints.end() ? nullptr : found->second;
    if (endpoints == nullptr) continue;
    checked.insert(name);
    health_checks_.Put(cluster, endpoints, version.limits.at(name));
  }
  health_checks_.Keep(checked);
}

void Sidecar::SetOwnWorkload(const proxy::Workload& own) {
  for (const auto& worker : workers_) {
    worker->Post([own](Worker& on_thread) { on_thread.SetOwnWorkload(own); });
  }
}

void Sidecar::VisitLimits(const LimitsVisitor& visit) {
  if (published_ == nullptr) return;
  for (const auto& [name, cluster] : published_->clusters) visit(*cluster, *limits_.For(name));
}

void Sidecar::ServeOnDemand(std::vector<policy::Cidr> mesh_ranges,
                            std::function<void(const SocketAddress&)> ask) {
  const auto on_main = [this, ask = std::move(ask)](const SocketAddress& destination) {
    main_.Post([ask, destination] { ask(destination); });
  };
  for (const auto& worker : workers_) {
    worker->Post([mesh_ranges, on_main](Worker& on_thread) {
      on_thread.ServeOnDemand({mesh_ranges, on_main});
    });
  }
}

void Sidecar::AnswerDestination(const SocketAddress& destination, proxy::DestinationAnswer answer) {
  for (const auto& worker : workers_) {
    worker->Post([destination, answer](Worker& on_thread) {
      on_thread.AnswerDestination(destination, answer);
    });
  }
}

void Sidecar::TakeUsedListeners(std::function<void(std::set<std::string>)> done) {
  auto waiting_for = std::make_shared<size_t>(workers_.size());
  auto all = std::make_shared<std::set<std::string>>();
  for (const auto& worker : workers_) {
    worker->Post([this, waiting_for, all, done](Worker& on_thread) {
      main_.Post([waiting_for, all, done, names = on_thread.TakeUsedListeners()] {
        all->insert(names.begin(), names.end());
        if (--*waiting_for == 0) done(std::move(*all));
      });
    });
  }
}

void Sidecar::Rehearse(proxy::RehearsedRequest request,
                       std::function<void(const proxy::RehearsalOutcome&)> done) {
  workers_.front()->Post(
      [this, request = std::move(request), done = std::move(done)](Worker& on_thread) {
        main_.Post([done, outcome = on_thread.Rehearse(request)] { done(outcome); });
      });
}

void Sidecar::AnnounceEnd() {
  ending_ = true;
  for (const auto& worker : workers_) {
    worker->Post([](Worker& on_thread) { on_thread.AnnounceEnd(); });
  }
}

void Sidecar::Drain(loop::Duration grace, loop::Duration quiet, std::function<void()> done) {
  AnnounceEnd();  // connections that come from here on restart the quiet period
  draining_.Start(grace, quiet, std::move(done));
}

}  // namespace tulle::sidecar
