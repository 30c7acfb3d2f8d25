// The source of workloads in a standalone control plane: sidecars register with a lease that
// heartbeats renew. Keeps the registry, writes it to the store, and tells the mesh.
//
// The first change is on disk when its call returns; those of a burst are written together up to
// 50 ms later. A crash in between loses them. After a lost Register() other sidecars drop the
// endpoint until its holder's next heartbeat, which is refused and makes it register again. After a
// lost Deregister() the endpoint is back, as healthy, until its lease ends. What cannot be written
// (a full disk) is kept and tried again: the mesh goes on with what is in memory.
//
// Owner: ControlPlane. Thread: the loop's. Order: Open, then Restore() before any call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/discovery/mesh_source.h"
#include "control-plane/insight/event_book.h"
#include "control-plane/registry/lease_record.h"
#include "control-plane/registry/open_breakers.h"
#include "control-plane/registry/registry.h"
#include "control-plane/registry/reported_problems.h"
#include "control-plane/store/store.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class RegistrySource {
 public:
  // All outlive this.
  RegistrySource(const registry::Registry::Options& options, loop::Loop& loop, store::Store& store,
                 certs::KeySource& keys, telemetry::Log& log, discovery::MeshSink& mesh);
  ~RegistrySource();

  // Reads what is stored; `visit` gets the id of each instance.
  absl::Status Restore(const std::function<void(const std::string&)>& visit);

  absl::StatusOr<registry::Lease> Register(discovery::Workload workload,
                                           std::optional<registry::milliseconds> ttl);
  absl::StatusOr<registry::milliseconds> Heartbeat(std::string_view lease, std::string_view caller,
                                                   bool is_ready,
                                                   std::vector<std::string> problems = {});
  // After a Heartbeat that was accepted: the circuit breakers that its sender sees open.
  void SetOpenBreakers(std::string_view lease, std::string_view caller,
                       registry::OpenBreakers::Report report) {
    breakers_.Put(registry_.InstanceOf(lease), caller, std::move(report));
  }
  // The instance that has left.
  absl::StatusOr<std::string> Deregister(std::string_view lease, std::string_view caller);
  // See Registry.
  std::vector<std::string> Evict(std::string_view spiffe_id);
  // For a proxy that does not register itself, such as Envoy: see registry::Lease::is_lasting.
  absl::Status RegisterLasting(discovery::Workload workload);
  absl::Status RemoveLasting(const std::string& instance);
  // Whether the proxy of an instance has an xDS connection. Null: none has.
  void SetConnections(std::function<bool(const std::string&)> is_connected) {
    is_connected_ = std::move(is_connected);
  }
  // Why a workload cannot be registered: its id, or a service, belongs to another source of the
  // mesh. Null: there is no other source.
  using OtherSource = std::function<absl::Status(const discovery::Workload&)>;
  void SetOtherSource(OtherSource allows) { allows_ = std::move(allows); }
  // Told what happens to workloads. Null: nobody is.
  void SetEvents(std::function<void(insight::Event)> on_event) { on_event_ = std::move(on_event); }
  // Once a second: leases end.
  void Advance();

  size_t held() const { return registry_.held(); }
  // What the workload cannot do, by its own word, or why its registration was refused.
  std::vector<std::string> ProblemsOf(const std::string& instance) const {
    return problems_.Of(instance, Now());
  }
  const registry::OpenBreakers& open_breakers() const { return breakers_; }
  // The registration of an authenticated caller was refused.
  void OnRefused(const std::string& instance, std::string_view caller, const absl::Status& why);

 private:
  registry::milliseconds Now() const;
  void Publish();
  void LogChange(const registry::Change& change);
  void Note(insight::Event::Type type, const char* reason, const std::string& instance,
            std::string_view spiffe_id, std::string message);
  void Save();

  loop::Loop& loop_;
  store::Store& store_;
  telemetry::Log& log_;
  discovery::MeshSink& mesh_;
  registry::Registry registry_;
  registry::ReportedProblems problems_;
  registry::OpenBreakers breakers_;
  registry::UnsavedLeases unsaved_;
  std::unique_ptr<loop::Timer> save_;
  std::function<bool(const std::string&)> is_connected_;
  OtherSource allows_;
  std::function<void(insight::Event)> on_event_;
};

}  // namespace tulle::server
