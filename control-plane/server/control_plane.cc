#include "control-plane/server/control_plane.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::server {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

}  // namespace

ControlPlane::ControlPlane(loop::Loop& loop, telemetry::Log& log)
    : loop_(loop),
      log_(log),
      traffic_(Now()),
      questions_(loop, respondents_),
      taps_(loop, respondents_) {}

ControlPlane::~ControlPlane() = default;

absl::StatusOr<std::unique_ptr<ControlPlane>> ControlPlane::Open(const ControlPlaneOptions& options,
                                                                 loop::Loop& loop,
                                                                 certs::KeySource& keys,
                                                                 telemetry::Log& log) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(loop, log));
  auto books = OpenBooks(options, keys, log, plane->Now());
  if (!books.ok()) return books.status();
  plane->books_ = *std::move(books);
  plane->roots_seen_ = plane->Roots();
  plane->phase_seen_ = plane->authority().rotation().phase();
  plane->signing_seen_ = plane->authority().root_key_hash();
  const absl::Status status = plane->StartMesh(options, keys);
  if (!status.ok()) return status;
  if (!options.traffic_file.empty()) plane->KeepTraffic(options.traffic_file);
  return plane;
}

// Nothing depends on it: without the file the mesh is served all the same.
void ControlPlane::KeepTraffic(const std::string& path) {
  auto archive = TrafficArchive::Open(path, traffic_, loop_, log_);
  if (archive.ok()) {
    archive_ = *std::move(archive);
    return;
  }
  log_.Write(LogLevel::kWarning, LogComponent::kStore,
             absl::StrCat("the traffic of the last hour is not kept: ", archive.status().message(),
                          "; repair or delete the file, and start again"));
}

absl::Status ControlPlane::StartMesh(const ControlPlaneOptions& options, certs::KeySource& keys) {
  admission_ =
      std::make_unique<Admission>(books_->tokens, *books_->authority, [this] { return Now(); });
  builder_ = std::make_unique<MeshBuilder>(
      MeshBuilder::Options{books_->authority->trust_domain(), options.access_log_file}, loop_,
      *books_->vips, log_);
  registry_ = std::make_unique<RegistrySource>(options.registry, loop_, *books_->store, keys, log_,
                                               *builder_);
  registry_->SetEvents([this](insight::Event event) { Note(std::move(event)); });
  builder_->SetClusterPolicyObserver(
      [this](const policy::DocumentKey& key, const char* verb) { NotePolicy(key, verb); });
  view_ = std::make_unique<PlaneView>(*builder_, *registry_);
  // A rotation waits for restored instances even if their certificates are not recorded, as after
  // an upgrade.
  const absl::Status status = registry_->Restore([this](const std::string& instance) {
    books_->authority->rotation().OnConnected(instance);
    books_->authority->rotation().OnDisconnected(instance, Now());
  });
  if (!status.ok()) return status;
  policies_seen_ = books_->policies->revision();
  builder_->SetPolicies(books_->policies->policies());
  builder_->SetTrustBundle(books_->authority->trust_bundle_pem(),
                           books_->authority->revocations_pem());
  builder_->Start();
  api_ = std::make_unique<api::Api>(api::Api::Parts{
      books_->policies.get(),
      books_->authority.get(),
      &books_->tokens,
      &books_->credentials,
      view_.get(),
      [this] { OnChange(); },
      options.version,
      &traces_,
      &traffic_,
      books_->store.get(),
      [this](const std::string& spiffe_id) { return registry_->Evict(spiffe_id); },
      [this](discovery::Workload workload) {
        return registry_->RegisterLasting(std::move(workload));
      },
      [this](const std::string& instance) { return registry_->RemoveLasting(instance); },
      {&failures_, &questions_, &taps_},
      &events_});
  housekeeping_ = std::make_unique<Housekeeping>(
      Housekeeping::Parts{loop_, log_, *registry_, *builder_, *books_->authority, books_->tokens,
                          [this] { OnChange(); }, [this] { return is_source_synced_; }});
  return absl::OkStatus();
}

int64_t ControlPlane::Now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch())
      .count();
}

// What the API changes is in the store of this replica, but for the roots and evictions. Others
// would not know of it, and each sidecar obeys the one that it is connected to.
std::optional<api::ApiResponse> ControlPlane::RefuseUnshared(const api::ApiRequest& request) {
  const bool is_change = request.method != "GET" && request.method != "HEAD";
  const auto dry_run = request.query.find("dryRun");
  const bool is_dry_run = dry_run != request.query.end() && dry_run->second == "true";
  // Sidecars are asked for something, which is no change of the mesh.
  const bool is_question =
      request.path.starts_with("/v1/taps") ||
      (request.path.starts_with("/v1/proxies/") && request.path.ends_with("/log-level"));
  const bool is_shared = is_question || request.path == "/v1/certs/rotate" ||
                         (request.path == "/v1/evictions" && books_->authority->is_shared());
  if (!is_change || is_dry_run || is_shared) return std::nullopt;
  const size_t replicas = view_->Replicas();
  if (replicas < 2 || !api_->Admit(request).is_identified) return std::nullopt;
  const std::string error =
      absl::StrCat("refused: ", replicas,
                   " replicas of the control plane are running, and they do not share this change");
  const bool is_policy = request.path == "/v1/apply" || request.path.starts_with("/v1/policies");
  const char* hint = is_policy ? "write policies to the API server: kubectl apply -f FILE"
                               : "scale the Deployment tulle-control to one replica and repeat the "
                                 "command; replicas that are added later do not know the change";
  return api::ApiResponse{409,
                          absl::StrCat(R"({"error":")", error, R"(","hint":")", hint, R"("})")};
}

api::ApiResponse ControlPlane::HandleApi(const api::ApiRequest& request) {
  if (auto refusal = RefuseUnshared(request)) return *std::move(refusal);
  api::ApiResponse response = api_->Handle(request, Now());
  if (!response.later) {
    Note(response);
    return response;
  }
  response.later = [this, ask = std::move(response.later)](api::ApiResponse::Respond respond) {
    ask([this, respond = std::move(respond)](api::ApiResponse late) {
      Note(late);
      respond(std::move(late));
    });
  };
  return response;
}

void ControlPlane::Note(const api::ApiResponse& response) {
  if (!response.event.empty()) log_.Write(LogLevel::kInfo, LogComponent::kApi, response.event);
  for (const insight::Event& event : response.happened) Note(event);
}

std::string ControlPlane::Roots() const {
  return books_->authority->roots_for_joining_pem() + books_->authority->revocations_pem();
}

void ControlPlane::OnSourceSynced() {
  builder_->BuildNow();
  is_source_synced_ = true;
}

void ControlPlane::SetMayRotate(std::function<bool()> may_rotate) {
  housekeeping_->SetMayRotate([this, may_rotate = std::move(may_rotate)] {
    return is_source_synced_ && (!may_rotate || may_rotate());
  });
}

absl::Status ControlPlane::AdoptRoots(const std::string& record) {
  const ca::RootRotation& rotation = books_->authority->rotation();
  const ca::RotationPhase before = rotation.phase();
  const size_t revoked = books_->authority->evictions().certificates();
  const auto adopted = books_->authority->AdoptShared(record, Now());
  if (!adopted.ok()) return adopted.status();
  if (!*adopted) return absl::OkStatus();
  if (rotation.phase() != before) {
    log_.Write(
        LogLevel::kInfo, LogComponent::kCa,
        absl::StrCat("root rotation: ", ca::NameOf(before), " -> ", ca::NameOf(rotation.phase())));
  }
  if (books_->authority->evictions().certificates() > revoked) ReportEvictions();
  OnChange();
  return absl::OkStatus();
}

void ControlPlane::ReportEvictions() {
  const ca::MeshAuthority& authority = *books_->authority;
  log_.Write(
      LogLevel::kInfo, LogComponent::kCa,
      absl::StrCat("evictions that all replicas share: ", authority.evictions().all().size(),
                   " identities, ", authority.evictions().certificates(), " revoked certificates"));
  if (authority.unshared_certificates() == 0) return;
  log_.Write(LogLevel::kError, LogComponent::kCa,
             absl::StrCat(authority.unshared_certificates(),
                          " revoked certificates are not known to other replicas: Secret "
                          "tulle-system/tulle-ca has room for ",
                          ca::Evictions::kMostCertificates,
                          ". Wait until some expire, and evict the identity again"));
}

// One replica rotates, and all see it.
void ControlPlane::NoteRoots() {
  const ca::RotationPhase phase = authority().rotation().phase();
  const ca::RotationPhase before = std::exchange(phase_seen_, phase);
  const std::string signing = authority().root_key_hash();
  const bool is_other = std::exchange(signing_seen_, signing) != signing;
  const auto note = [this](const char* reason, std::string message) {
    insight::Event event{insight::Event::Type::kNormal,
                         reason,
                         {"Root", "", authority().trust_domain()},
                         std::move(message)};
    event.is_of_all = true;
    event.actor = "tulle-control";
    Note(std::move(event));
  };
  if (phase != before) {
    note("RootRotation",
         absl::StrCat("root rotation: ", ca::NameOf(before), " -> ", ca::NameOf(phase)));
  }
  if (is_other) note("RootRotated", "another root signs certificates now");
}

void ControlPlane::NotePolicy(const policy::DocumentKey& key, const char* verb) {
  if (!is_source_synced_) return;
  insight::Event event{insight::Event::Type::kNormal,
                       absl::StrCat("Policy", verb),
                       {std::string(policy::ToText(key.kind)), key.ns, key.name},
                       "its content that is in force has changed at the Kubernetes API server"};
  event.is_of_all = true;
  event.actor = key.ns.empty() ? "API server" : absl::StrCat("API server, namespace ", key.ns);
  Note(std::move(event));
}

bool ControlPlane::is_synced() {
  is_synced_ |= is_source_synced_ && builder_->is_up_to_date();
  return is_synced_;
}

void ControlPlane::OnChange() {
  NoteRoots();
  // At once, before the caller is told of the new roots: it will trust those alone.
  if (std::string roots = Roots(); roots != roots_seen_) {
    roots_seen_ = std::move(roots);
    for (const auto& observer : roots_observers_) observer();
  }
  if (books_->policies->revision() != policies_seen_) {
    policies_seen_ = books_->policies->revision();
    builder_->SetPolicies(books_->policies->policies());
  }
  builder_->SetTrustBundle(books_->authority->trust_bundle_pem(),
                           books_->authority->revocations_pem());
  builder_->OnChange();
}

}  // namespace tulle::server
