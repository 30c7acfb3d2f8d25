#include "sidecar/sidecar.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "sidecar/proxy/downstream_limit.h"
#include "sidecar/proxy/request_telemetry.h"

namespace tulle::sidecar {
namespace {

// Envoy's initial_fetch_timeout.
constexpr loop::Duration kWaitForResources = std::chrono::seconds(15);
constexpr loop::Duration kDrainPoll = std::chrono::milliseconds(50);

}  // namespace

Sidecar::Sidecar(loop::Loop& main, const tls::SecureTransports& transports, Options options)
    : main_(main),
      options_(std::move(options)),
      loader_(transports),
      limits_(options_.workers),
      health_checks_(main) {
  waiting_timer_ = main_.NewTimer([this] {
    loader_.GiveUpWaiting();
    Publish();
  });
  for (int i = 0; i < options_.workers; ++i) {
    workers_.push_back(options_.new_worker(i));
  }
}

Sidecar::~Sidecar() = default;

void Sidecar::LimitDownstream(uint64_t connections) {
  downstream_limit_ = std::make_shared<proxy::DownstreamLimit>(connections);
}

void Sidecar::Publish() {
  if (before_publish_) before_publish_();
  std::shared_ptr<const config::Snapshot> snapshot = loader_.Current();
  if (!loader_.is_waiting()) {
    waiting_timer_->Stop();
  } else if (!waiting_timer_->active()) {
    waiting_timer_->Start(kWaitForResources);
  }
  if (snapshot == published_) return;
  published_ = snapshot;
  const std::shared_ptr<const Version> version =
      MakeVersion(std::move(snapshot), limits_, downstream_limit_);
  CheckHealth(*version);
  const uint64_t number = ++version_;
  waiting_for_ = static_cast<int>(workers_.size());
  errors_.clear();
  for (const auto& worker : workers_) {
    worker->Post([this, version, number](Worker& on_thread) {
      main_.Post([this, number, errors = on_thread.Apply(version)]() mutable {
        OnApplied(number, std::move(errors));
      });
    });
  }
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

void Sidecar::OnApplied(uint64_t version, std::vector<std::string> errors) {
  if (version != version_) return;  // a newer one is on its way
  for (std::string& error : errors) {
    if (std::find(errors_.begin(), errors_.end(), error) == errors_.end())
      errors_.push_back(std::move(error));
  }
  if (--waiting_for_ > 0) return;
  in_force_ = published_;
  if (on_in_force_) on_in_force_();
}

void Sidecar::SetOwnWorkload(const proxy::OwnWorkload& own) {
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

void Sidecar::AnnounceEnd() {
  ending_ = true;
  for (const auto& worker : workers_) {
    worker->Post([](Worker& on_thread) { on_thread.AnnounceEnd(); });
  }
}

void Sidecar::Drain(loop::Duration grace, loop::Duration quiet, std::function<void()> done) {
  AnnounceEnd();  // those who come from here on restart the quiet
  on_drained_ = std::move(done);
  drain_end_ = main_.Now() + grace;
  drain_quiet_ = quiet;
  drain_timer_ = main_.NewTimer([this] { CheckDrained(); });
  CheckDrained();
}

void Sidecar::CheckDrained() {
  if (main_.Now() >= drain_end_) return on_drained_();
  auto waiting_for = std::make_shared<int>(static_cast<int>(workers_.size()));
  auto all_done = std::make_shared<bool>(true);
  for (const auto& worker : workers_) {
    worker->Post([this, waiting_for, all_done](Worker& on_thread) {
      main_.Post([this, waiting_for, all_done, done = on_thread.ContinueEnd(drain_quiet_)] {
        *all_done &= done;
        if (--*waiting_for > 0) return;
        if (*all_done) return on_drained_();
        drain_timer_->Start(kDrainPoll);
      });
    });
  }
}

}  // namespace tulle::sidecar
