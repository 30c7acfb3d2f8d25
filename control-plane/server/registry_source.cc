#include "control-plane/server/registry_source.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::server {
namespace {

using insight::Event;
using registry::milliseconds;
using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr milliseconds kGroup{50};

}  // namespace

RegistrySource::RegistrySource(const registry::Registry::Options& options, loop::Loop& loop,
                               store::Store& store, certs::KeySource& keys, telemetry::Log& log,
                               discovery::MeshSink& mesh)
    : loop_(loop), store_(store), log_(log), mesh_(mesh), registry_(options, [&keys] {
        return ca::NewSecret(&keys);
      }) {
  save_ = loop_.NewTimer([this] { Save(); });
}

RegistrySource::~RegistrySource() {
  if (unsaved_.size() > 0) Save();
}

milliseconds RegistrySource::Now() const {
  return std::chrono::duration_cast<milliseconds>(loop_.Now().time_since_epoch());
}

absl::Status RegistrySource::Restore(const std::function<void(const std::string&)>& visit) {
  const auto leases = registry::LoadLeases(&store_);
  if (!leases.ok()) return leases.status();
  for (const std::string& problem : leases->damaged) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry, "registration ignored: " + problem);
  }
  for (const registry::Lease& lease : leases->leases) {
    registry_.Restore(lease, Now());
    unsaved_.NoteStored(lease.workload.id);
    visit(lease.workload.id);
  }
  for (auto& [id, workload] : registry_.workloads()) mesh_.PutWorkload(workload);
  return absl::OkStatus();
}

absl::StatusOr<registry::Lease> RegistrySource::Register(discovery::Workload workload,
                                                         std::optional<milliseconds> ttl) {
  const std::string instance = workload.id;
  const absl::Status allowed = allows_ ? allows_(workload) : absl::OkStatus();
  if (!allowed.ok()) return allowed;
  const bool was_there = registry_.Has(instance);
  auto lease = registry_.Register(std::move(workload), ttl, Now());
  if (lease.ok()) {
    problems_.Forget(instance);
    breakers_.Forget(instance);
    // A sidecar that ends takes its leave, and keeps its lease otherwise.
    Note(was_there ? Event::Type::kWarning : Event::Type::kNormal,
         was_there ? "ProxyRestarted" : "ProxyRegistered", instance, lease->workload.spiffe_id,
         was_there ? "registered again without having left, as after a crash"
                   : absl::StrCat("registered from ", lease->workload.address));
  }
  Publish();
  return lease;
}

void RegistrySource::OnRefused(const std::string& instance, std::string_view caller,
                               const absl::Status& why) {
  const std::string text = absl::StrCat("registration refused: ", why.message());
  if (!problems_.Refuse(instance, text, Now())) return;
  log_.Write(LogLevel::kWarning, LogComponent::kRegistry,
             absl::StrCat(instance, ": ", text, " (", std::string(caller), ")"));
  Note(Event::Type::kWarning, "RegistrationRefused", instance, caller, std::string(why.message()));
}

absl::StatusOr<milliseconds> RegistrySource::Heartbeat(std::string_view lease,
                                                       std::string_view caller, bool is_ready,
                                                       std::vector<std::string> problems) {
  auto ttl = registry_.Heartbeat(lease, caller, is_ready, Now());
  if (ttl.ok()) {
    const std::string instance = registry_.InstanceOf(lease);
    const std::string text = absl::StrJoin(problems, "; ");
    if (problems_.Report(instance, std::move(problems))) {
      log_.Write(
          text.empty() ? LogLevel::kInfo : LogLevel::kWarning, LogComponent::kRegistry,
          absl::StrCat(instance, text.empty() ? " reports no more problems" : " reports: ", text));
      Note(text.empty() ? Event::Type::kNormal : Event::Type::kWarning,
           text.empty() ? "ProxyProblemsGone" : "ProxyProblem", instance, caller,
           text.empty() ? "reports no more problems" : text);
    }
  }
  Publish();
  return ttl;
}

absl::StatusOr<std::string> RegistrySource::Deregister(std::string_view lease,
                                                       std::string_view caller) {
  auto instance = registry_.Deregister(lease, caller);
  Publish();
  return instance;
}

std::vector<std::string> RegistrySource::Evict(std::string_view spiffe_id) {
  std::vector<std::string> instances = registry_.Evict(spiffe_id);
  Publish();
  return instances;
}

absl::Status RegistrySource::RegisterLasting(discovery::Workload workload) {
  const absl::Status allowed = allows_ ? allows_(workload) : absl::OkStatus();
  if (!allowed.ok()) return allowed;
  const absl::Status status = registry_.RegisterLasting(std::move(workload), Now()).status();
  Publish();
  return status;
}

absl::Status RegistrySource::RemoveLasting(const std::string& instance) {
  const absl::Status status = registry_.RemoveLasting(instance);
  Publish();
  return status;
}

void RegistrySource::Advance() {
  if (is_connected_) registry_.RenewLasting(is_connected_, Now());
  registry_.Advance(Now());
  Publish();
  if (!save_->active()) Save();
}

void RegistrySource::Publish() {
  std::vector<registry::Change> changes = registry_.TakeChanges();
  if (changes.empty()) return;
  for (registry::Change& change : changes) {
    LogChange(change);
    if (change.kind == registry::Change::Kind::kRemove) {
      problems_.Forget(change.lease.workload.id);
      breakers_.Forget(change.lease.workload.id);
      mesh_.RemoveWorkload(change.lease.workload.id);
    } else {
      mesh_.PutWorkload(change.lease.workload);
    }
    unsaved_.Add(std::move(change));
  }
  if (!save_->active()) Save();
  mesh_.OnChange();
}

void RegistrySource::LogChange(const registry::Change& change) {
  const discovery::Workload& workload = change.lease.workload;
  const bool is_bad = change.kind == registry::Change::Kind::kHealth &&
                      workload.health != discovery::Health::kHealthy;
  const char* event =
      is_bad ? " is unhealthy: heartbeats are missing, or it is not ready" : " is healthy";
  if (change.kind == registry::Change::Kind::kPut) event = " registered";
  if (change.kind == registry::Change::Kind::kRemove) event = " was removed";
  log_.Write(
      is_bad ? LogLevel::kWarning : LogLevel::kInfo, LogComponent::kRegistry,
      absl::StrCat(workload.id, event, " (", workload.spiffe_id, " at ", workload.address, ")"));
  // Register() knows more of the third kind.
  if (change.kind == registry::Change::Kind::kPut) return;
  const bool is_gone = change.kind == registry::Change::Kind::kRemove;
  Note(is_bad ? Event::Type::kWarning : Event::Type::kNormal,
       is_gone  ? "ProxyRemoved"
       : is_bad ? "ProxyUnhealthy"
                : "ProxyHealthy",
       workload.id, workload.spiffe_id,
       is_gone  ? "its endpoints were removed: it left, was evicted, or has been silent too long"
       : is_bad ? "heartbeats are missing, or it is not ready: it gets no requests"
                : "it is ready for requests");
}

void RegistrySource::Note(Event::Type type, const char* reason, const std::string& instance,
                          std::string_view spiffe_id, std::string message) {
  if (!on_event_) return;
  on_event_({type, reason, insight::ProxySubject(instance, "", spiffe_id), std::move(message),
             std::string(spiffe_id)});
}

void RegistrySource::Save() {
  if (unsaved_.size() == 0) return;
  save_->Start(kGroup);
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch()).count();
  std::vector<std::string> refused;
  const absl::Status status = unsaved_.Save(&store_, now, &refused);
  for (const std::string& problem : refused) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry,
               "cannot store a registration; it is lost if tulle-control restarts: " + problem);
  }
  if (status.ok()) return;
  save_->Stop();  // tried again once a second
  log_.Write(LogLevel::kError, LogComponent::kRegistry,
             absl::StrCat("cannot store registrations, retrying: ", status.message()));
}

}  // namespace tulle::server
