// The control plane's state in one place: store, policies, certificate authority, and the mesh that
// its sources make. Knows no protocol: services and servers call its parts, the xDS server observes
// the mesh builder.
//
// Owner: main. Thread: the loop's; the store is called inline (a commit takes milliseconds).
// Order: Open, then observers, then services.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/api/api.h"
#include "control-plane/insight/event_book.h"
#include "control-plane/insight/failure_book.h"
#include "control-plane/insight/questions.h"
#include "control-plane/insight/respondents.h"
#include "control-plane/insight/taps.h"
#include "control-plane/insight/trace_ring.h"
#include "control-plane/insight/traffic_book.h"
#include "control-plane/server/admission.h"
#include "control-plane/server/books.h"
#include "control-plane/server/housekeeping.h"
#include "control-plane/server/mesh_builder.h"
#include "control-plane/server/plane_view.h"
#include "control-plane/server/registry_source.h"
#include "control-plane/server/traffic_archive.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

struct ControlPlaneOptions : BookOptions {
  registry::Registry::Options registry;
  std::string access_log_file;  // see discovery::Mesh
  std::string version = "dev";
  std::string traffic_file;  // keeps the traffic of the last hour; empty: in memory alone
  std::string replica;       // the name of this one, if there may be several: unique, also in time
};

class ControlPlane {
 public:
  static absl::StatusOr<std::unique_ptr<ControlPlane>> Open(const ControlPlaneOptions& options,
                                                            loop::Loop& loop,
                                                            certs::KeySource& keys,
                                                            telemetry::Log& log);
  ~ControlPlane();

  Admission& admission() { return *admission_; }
  RegistrySource& registry() { return *registry_; }
  MeshBuilder& mesh_builder() { return *builder_; }
  const MeshBuilder& mesh_builder() const { return *builder_; }
  ca::MeshAuthority& authority() { return *books_->authority; }
  const ca::MeshAuthority& authority() const { return *books_->authority; }
  insight::TraceRing& traces() { return traces_; }
  insight::TrafficBook& traffic() { return traffic_; }
  insight::FailureBook& failures() { return failures_; }
  // What has happened, for `tullectl events`.
  void Note(insight::Event event) { events_.Add(std::move(event), Now()); }
  const insight::EventBook& events() const { return events_; }
  insight::Respondents& respondents() { return respondents_; }
  // What the API and metrics show.
  PlaneView& view() { return *view_; }
  const PlaneView& view() const { return *view_; }

  api::Api& api() { return *api_; }
  // The same, and what was changed goes to the log.
  api::ApiResponse HandleApi(const api::ApiRequest& request);

  // Called when the trust bundle, the signing root or the revocation lists have changed: acceptors
  // must be made anew, and connections of revoked certificates closed.
  void AddRootsObserver(std::function<void()> observer) {
    roots_observers_.push_back(std::move(observer));
  }
  void ForgetRootsObservers() { roots_observers_.clear(); }

  // Where a machine is: REGION/ZONE, or empty. Asked with its name.
  void SetMachines(std::function<std::string(const std::string&)> locality_of) {
    locality_of_ = std::move(locality_of);
  }
  std::string LocalityOf(const std::string& machine) const {
    return locality_of_ == nullptr || machine.empty() ? "" : locality_of_(machine);
  }

  // A source of the mesh reads from the network: until OnSourceSynced(), and until the resources
  // show what it has reported, no sidecar is served. Call before Frontend::Open.
  void AwaitSource() { is_synced_ = is_source_synced_ = false; }
  // Whether this replica rotates the root. Unset: it does.
  void SetMayRotate(std::function<bool()> may_rotate);
  void OnSourceSynced();
  // The roots and evictions that replicas share are these now.
  absl::Status AdoptRoots(const std::string& record);
  bool is_synced();

  int64_t Now() const;  // seconds since the epoch
  telemetry::Log& log() { return log_; }

 private:
  ControlPlane(loop::Loop& loop, telemetry::Log& log);

  void KeepTraffic(const std::string& path);
  absl::Status StartMesh(const ControlPlaneOptions& options, certs::KeySource& keys);
  // Policies, roots or identities have changed.
  void OnChange();
  std::optional<api::ApiResponse> RefuseUnshared(const api::ApiRequest& request);
  std::string Roots() const;
  void ReportEvictions();
  // Into the log and the list of events.
  void Note(const api::ApiResponse& response);
  void NoteRoots();
  // A cluster's policies, once the first listing is complete.
  void NotePolicy(const policy::DocumentKey& key, const char* verb);

  loop::Loop& loop_;
  telemetry::Log& log_;
  std::unique_ptr<Books> books_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<MeshBuilder> builder_;
  std::unique_ptr<RegistrySource> registry_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<PlaneView> view_;
  insight::TraceRing traces_;
  insight::TrafficBook traffic_;
  std::unique_ptr<TrafficArchive> archive_;  // null: none is kept
  insight::FailureBook failures_;
  insight::EventBook events_;
  insight::Respondents respondents_;
  insight::Questions questions_;
  insight::Taps taps_;
  std::unique_ptr<api::Api> api_;
  std::vector<std::function<void()>> roots_observers_;
  std::function<std::string(const std::string&)> locality_of_;  // null: no source knows machines
  bool is_source_synced_ = true;
  bool is_synced_ = true;
  std::string roots_seen_;
  ca::RotationPhase phase_seen_ = ca::RotationPhase::kSteady;
  std::string signing_seen_;    // the hash of the signing root's key
  int64_t policies_seen_ = -1;  // the revision that the mesh was told
};

}  // namespace tulle::server
