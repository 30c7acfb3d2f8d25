#include "sidecar/dataplane/worker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/proxy/exchange.h"

namespace tulle::sidecar {

namespace {

// Running out of memory ends the requests that hold most. Requests that hold less are not worth it.
constexpr size_t kWorthEnding = 100 * 1024;

bool IsOutbound(const proxy::ActiveListener& listener) {
  return listener.spec().direction == config::Direction::kOutbound;
}

std::shared_ptr<const upstream::Ring> RingOf(const config::Snapshot& snapshot,
                                             const std::string& cluster) {
  const auto found = snapshot.rings.find(cluster);
  return found == snapshot.rings.end() ? nullptr : found->second;
}

}  // namespace

std::shared_ptr<upstream::ClusterLimits> LimitsTable::For(const std::string& cluster) {
  std::weak_ptr<upstream::ClusterLimits>& known = limits_[cluster];
  std::shared_ptr<upstream::ClusterLimits> limits = known.lock();
  if (limits == nullptr)
    known = limits = std::make_shared<upstream::ClusterLimits>(workers_, breaker_changes_);
  return limits;
}

std::shared_ptr<const Version> MakeVersion(std::shared_ptr<const config::Snapshot> snapshot,
                                           LimitsTable& limits,
                                           std::shared_ptr<proxy::DownstreamLimit> downstream,
                                           std::string name) {
  auto version = std::make_shared<Version>();
  for (const auto& [cluster, spec] : snapshot->clusters)
    version->limits[cluster] = limits.For(cluster);
  version->snapshot = std::move(snapshot);
  version->downstream = std::move(downstream);
  version->name = std::move(name);
  return version;
}

Worker::Worker(loop::Loop& loop, proxy::Observer& observer,
               const proxy::SharedMemoryPressure* memory)
    : loop_(loop),
      deadlines_(loop),
      clusters_(loop, deadlines_, &observer),
      destinations_(loop, deadlines_),
      services_{loop,    deadlines_,     clusters_, routes_, observer,
                nullptr, &destinations_, &mirrors_, memory},
      mirrors_(services_),
      version_(
          std::make_shared<Version>(Version{std::make_shared<config::Snapshot>(), {}, {}, {}})) {}

Worker::~Worker() { Close(); }

std::vector<ListenerError> Worker::Apply(std::shared_ptr<const Version> version) {
  std::vector<ListenerError> errors;
  const std::shared_ptr<const Version> old = version_;
  services_.downstream_limit = version->downstream.get();
  ApplyClusters(*version);
  ApplyRoutes(*version->snapshot);
  std::erase_if(draining_, [](const auto& one) { return one->connections().idle(); });
  ApplyListeners(*version->snapshot, errors);
  if (!ending_) RemoveGone(*version->snapshot);
  destinations_.Rebuild(listeners_);
  if (version != version_) {
    services_.configured = services_.loop.WallNow();
    services_.observer.OnConfigured(services_.configured, version->name);
  }
  version_ = std::move(version);
  return errors;
}

void Worker::ApplyClusters(const Version& next) {
  const config::Snapshot& old = *version_->snapshot;
  for (const auto& [name, spec] : next.snapshot->clusters) {
    auto known = old.clusters.find(name);
    const bool added = known == old.clusters.end();
    const auto ring = RingOf(*next.snapshot, name);
    if (added || known->second != spec) clusters_.Put(spec, next.limits.at(name), ring);
    if (!spec->uses_eds) continue;
    auto endpoints = next.snapshot->endpoints.find(spec->eds_name);
    if (endpoints == next.snapshot->endpoints.end()) continue;
    auto before = old.endpoints.find(spec->eds_name);
    if (added || before == old.endpoints.end() || before->second != endpoints->second) {
      clusters_.SetEndpoints(name, endpoints->second, ring);
    }
  }
}

void Worker::ApplyRoutes(const config::Snapshot& next) {
  for (const auto& [name, table] : next.routes) {
    proxy::RouteSlot& slot = routes_.Slot(name);
    if (slot.table.get() != table.get()) slot.table = Pin<route::RouteTable>(table);
  }
}

void Worker::ApplyListeners(const config::Snapshot& next, std::vector<ListenerError>& errors) {
  for (const auto& [name, spec] : next.listeners) {
    // The own application may call others until it ends.
    if (ending_ && spec->direction != config::Direction::kOutbound) continue;
    proxy::ActiveListener* active = FindListener(name);
    // Not what the former version named: a listener that could not listen is tried again.
    if (active != nullptr && &active->spec() == spec.get()) continue;
    if (active != nullptr && active->spec().address == spec->address &&
        active->spec().bind == spec->bind) {
      active->Update(spec);
      continue;
    }
    auto fresh = std::make_unique<proxy::ActiveListener>(services_, spec);
    int error = 0;
    if (spec->bind && !fresh->Listen(&error)) {
      errors.push_back(
          {name,
           absl::StrCat("cannot listen on ", spec->address.ToString(), ": ", std::strerror(-error),
                        error == -EADDRINUSE
                            ? "; stop the program that uses the port, or choose another port"
                            : "")});
      continue;
    }
    if (active != nullptr) {
      auto place = std::find_if(listeners_.begin(), listeners_.end(),
                                [&](auto& one) { return one.get() == active; });
      Retire(std::move(*place));
      listeners_.erase(place);
    }
    listeners_.push_back(std::move(fresh));
  }
}

void Worker::RemoveGone(const config::Snapshot& next) {
  for (size_t i = 0; i < listeners_.size();) {
    if (next.listeners.contains(listeners_[i]->spec().name)) {
      ++i;
      continue;
    }
    Retire(std::move(listeners_[i]));
    listeners_.erase(listeners_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (const auto& [name, table] : version_->snapshot->routes) {
    if (!next.routes.contains(name)) routes_.Slot(name).table = {};
  }
  for (const auto& [name, spec] : version_->snapshot->clusters) {
    if (!next.clusters.contains(name)) clusters_.Remove(name);
  }
}

proxy::ActiveListener* Worker::FindListener(std::string_view name) {
  for (const auto& listener : listeners_) {
    if (listener->spec().name == name) return listener.get();
  }
  return nullptr;
}

void Worker::Retire(std::unique_ptr<proxy::ActiveListener> listener) {
  listener->Drain();
  draining_.push_back(std::move(listener));
}

std::set<std::string> Worker::TakeUsedListeners() {
  std::set<std::string> names;
  for (const auto& listener : listeners_) {
    if (listener->TakeUsed()) names.insert(listener->spec().name);
  }
  return names;
}

proxy::RehearsalOutcome Worker::Rehearse(const proxy::RehearsedRequest& request) {
  std::vector<const config::ListenerSpec*> specs;
  specs.reserve(listeners_.size());
  for (const auto& listener : listeners_) specs.push_back(&listener->spec());
  return proxy::Rehearse(services_, specs, request);
}

void Worker::AnnounceEnd() {
  ending_ = true;
  own_quiet_since_ = loop_.Now();
  for (const auto& listener : listeners_) {
    if (!IsOutbound(*listener)) listener->AnnounceEnd();
  }
}

bool Worker::ContinueEnd(loop::Duration quiet) {
  bool inbound_done = true;
  bool own_busy = false;
  uint64_t own_requests = 0;
  for (const auto& listener : listeners_) {
    if (IsOutbound(*listener)) {
      own_busy |= listener->connections().busy();
      own_requests += listener->connections().requests();
    } else {
      inbound_done &= listener->StopWhenQuiet(quiet) && listener->connections().idle();
    }
  }
  for (const auto& listener : draining_) inbound_done &= listener->connections().idle();
  if (own_busy || own_requests != own_requests_ || !inbound_done) own_quiet_since_ = loop_.Now();
  own_requests_ = own_requests;
  return inbound_done && !own_busy && loop_.Now() - own_quiet_since_ >= quiet;
}

void Worker::EndLargest() {
  size_t least = kWorthEnding;
  proxy::Exchange* largest = nullptr;
  for (const auto* group : {&listeners_, &draining_}) {
    for (const auto& listener : *group) {
      if (proxy::Exchange* exchange = listener->connections().Largest(least)) largest = exchange;
    }
  }
  if (largest != nullptr) largest->Abort({FailureKind::kMemoryShort, "it held most"});
}

void Worker::Close() {
  for (const auto& listener : listeners_) listener->CloseAll();
  for (const auto& listener : draining_) listener->CloseAll();
  listeners_.clear();
  draining_.clear();
}

}  // namespace tulle::sidecar
