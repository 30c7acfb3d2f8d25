#include "control-plane/server/control_plane.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/discovery/vouched_services.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::server {
namespace {

using std::chrono::milliseconds;
using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr milliseconds kTick{1000};
constexpr milliseconds kCoalesce{50};
constexpr int64_t kCleanEverySeconds = 3600;
constexpr int64_t kVipRetrySeconds = 10;
constexpr std::string_view kBearer = "Bearer ";
constexpr int64_t kJumpSeconds = 60;
constexpr std::chrono::hours kDistrustAfterJump{1};

}  // namespace

ControlPlane::ControlPlane(const ControlPlaneOptions& options, loop::Loop& loop,
                           certs::KeySource& keys, telemetry::Log& log)
    : options_(options), loop_(loop), keys_(keys), log_(log), registry_(options.registry, [this] {
        return ca::NewSecret(&keys_);
      }) {}

ControlPlane::~ControlPlane() = default;

absl::StatusOr<std::unique_ptr<ControlPlane>> ControlPlane::Open(const ControlPlaneOptions& options,
                                                                 loop::Loop& loop,
                                                                 certs::KeySource& keys,
                                                                 telemetry::Log& log) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane(options, loop, keys, log));
  const absl::Status status = plane->Load();
  if (!status.ok()) return status;
  return plane;
}

absl::Status ControlPlane::Load() {
  const bool is_kept = !options_.data_dir.empty();
  auto store = store::SqliteStore::Open(
      is_kept && !options_.store_in_memory ? options_.data_dir + "/tulle.db" : ":memory:");
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  auto policies = discovery::PolicyBook::Open(store_.get());
  if (!policies.ok()) return policies.status();
  policies_ = *std::move(policies);
  if (const absl::Status status = JudgeUnreadable(); !status.ok()) return status;
  auto vips = discovery::VipBook::Open(store_.get());
  if (!vips.ok()) return vips.status();
  vips_ = *std::move(vips);
  for (const std::string& problem : vips_->damaged()) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry, problem);
  }
  auto authority = ca::MeshAuthority::Open(options_.authority, store_.get(), &keys_, Now());
  if (!authority.ok()) return authority.status();
  authority_ = *std::move(authority);
  tokens_ = ca::JoinTokens(store_.get(), &keys_);
  credentials_ = api::Credentials(store_.get(), &keys_);
  if (is_kept) {
    const std::string path = options_.data_dir + "/admin-credential";
    const absl::Status status = options_.reset_admin ? credentials_.ResetAdmin(path, Now())
                                                     : credentials_.EnsureFirstAdmin(path, Now());
    if (!status.ok()) return status;
  }
  const auto leases = registry::LoadLeases(store_.get());
  if (!leases.ok()) return leases.status();
  for (const std::string& problem : leases->damaged) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry, "left out: " + problem);
  }
  for (const registry::Lease& lease : leases->leases) {
    registry_.Restore(lease, MonotonicNow());
    unsaved_.NoteStored(lease.workload.id);
    // Waited for in a rotation also where the book of holders does not know it, as after an
    // upgrade.
    authority_->rotation().OnConnected(lease.workload.id);
    authority_->rotation().OnDisconnected(lease.workload.id, Now());
  }
  api_ = std::make_unique<api::Api>(api::Api::Parts{policies_.get(), authority_.get(), &tokens_,
                                                    &credentials_, this, [this] { OnChange(); },
                                                    options_.version, &traces_, store_.get()});
  roots_seen_ = authority_->roots_for_joining_pem();
  coalesce_ = loop_.NewTimer([this] {
    if (is_dirty_) Rebuild();
  });
  clock_ahead_ = Now() - std::chrono::duration_cast<std::chrono::seconds>(MonotonicNow()).count();
  tick_ = loop_.NewTimer([this] { Tick(); });
  tick_->Start(kTick);
  Rebuild();
  return absl::OkStatus();
}

// What restricts must not be left out unasked: the mesh would allow what it forbids.
absl::Status ControlPlane::JudgeUnreadable() {
  std::vector<discovery::UnreadablePolicy> needed = policies_->unreadable();
  if (options_.ignore_unreadable_policies) needed.clear();
  std::erase_if(needed, [](const auto& policy) { return !policy.is_security; });
  if (!needed.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the store holds policies that this version cannot read, and without which the mesh would "
        "allow what they forbid:\n",
        discovery::ToText(needed),
        "\nStart the tulle-control that wrote them. Or start with --ignore-unreadable-policies, "
        "which leaves them OUT OF FORCE, and apply each anew or delete it"));
  }
  for (const discovery::UnreadablePolicy& policy : policies_->unreadable()) {
    log_.Write(LogLevel::kError, LogComponent::kPolicy,
               absl::StrCat("OUT OF FORCE, since it cannot be read; apply it anew or delete it: ",
                            policy.key, ": ", policy.problem));
  }
  return absl::OkStatus();
}

int64_t ControlPlane::Now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch())
      .count();
}

milliseconds ControlPlane::MonotonicNow() const {
  return std::chrono::duration_cast<milliseconds>(loop_.Now().time_since_epoch());
}

absl::StatusOr<Caller> ControlPlane::Authenticate(const Transport& transport,
                                                  std::string_view authorization) {
  const std::string address = transport.PeerAddress().host();
  if (const PeerIdentity* peer = transport.peer(); peer != nullptr && !peer->spiffe_id.empty()) {
    auto id = certs::SpiffeId::Parse(peer->spiffe_id);
    if (!id.ok()) return absl::UnauthenticatedError("the certificate names no SPIFFE ID");
    auto services = tokens_.ServicesOf(*id);
    if (!services.ok()) return services.status();
    return Caller{*std::move(id), *std::move(services), {peer->certificate_sha256, address}};
  }
  if (!authorization.starts_with(kBearer)) {
    return absl::UnauthenticatedError(
        "neither a certificate nor a join token: start the sidecar with --token-file");
  }
  auto grant = tokens_.Redeem(authorization.substr(kBearer.size()), Now());
  if (!grant.ok()) return grant.status();
  return Caller{grant->id, grant->services, {"", address}};
}

absl::StatusOr<ca::IssuedSvid> ControlPlane::IssueSvid(const Caller& caller,
                                                       std::string_view csr_pem,
                                                       std::optional<int64_t> lifetime_seconds) {
  return authority_->Issue(caller.id, csr_pem, lifetime_seconds,
                           ca::MeshAuthority::Holder::kSidecar, Now(), caller.asker);
}

absl::StatusOr<registry::Lease> ControlPlane::Register(discovery::Workload workload,
                                                       std::optional<milliseconds> ttl) {
  auto lease = registry_.Register(std::move(workload), ttl, MonotonicNow());
  SaveRegistry();
  return lease;
}

absl::StatusOr<milliseconds> ControlPlane::Heartbeat(std::string_view lease,
                                                     std::string_view caller, bool is_ready) {
  auto ttl = registry_.Heartbeat(lease, caller, is_ready, MonotonicNow());
  SaveRegistry();
  return ttl;
}

absl::Status ControlPlane::Deregister(std::string_view lease, std::string_view caller) {
  const absl::Status status = registry_.Deregister(lease, caller);
  SaveRegistry();
  return status;
}

void ControlPlane::LogChange(const registry::Change& change) {
  const discovery::Workload& workload = change.lease.workload;
  const bool is_bad = change.kind == registry::Change::Kind::kHealth &&
                      workload.health != discovery::Health::kHealthy;
  const char* event =
      is_bad ? " is unhealthy: its lease was missed, or it is not ready" : " is healthy";
  if (change.kind == registry::Change::Kind::kPut) event = " has registered";
  if (change.kind == registry::Change::Kind::kRemove) event = " is gone";
  log_.Write(
      is_bad ? LogLevel::kWarning : LogLevel::kInfo, LogComponent::kRegistry,
      absl::StrCat(workload.id, event, " (", workload.spiffe_id, " at ", workload.address, ")"));
}

// What cannot be written (a full disk) is kept and tried again: the mesh goes on with what is in
// memory.
void ControlPlane::SaveRegistry() {
  std::vector<registry::Change> changes = registry_.TakeChanges();
  const bool has_changed = !changes.empty();
  for (registry::Change& change : changes) {
    LogChange(change);
    unsaved_.Add(std::move(change));
  }
  std::vector<std::string> refused;
  const absl::Status status = unsaved_.Save(store_.get(), Now(), &refused);
  for (const std::string& problem : refused) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry,
               "a registration is in memory alone, and lost at the next start: " + problem);
  }
  if (!status.ok()) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry,
               absl::StrCat("registrations are in memory alone: ", status.ToString()));
  }
  if (has_changed) OnChange();
}

api::ApiResponse ControlPlane::HandleApi(const api::ApiRequest& request) {
  api::ApiResponse response = api_->Handle(request, Now());
  if (!response.event.empty()) log_.Write(LogLevel::kInfo, LogComponent::kApi, response.event);
  return response;
}

// After a jump it is not known which time is right. A root that is made now would be good for the
// wrong years: what is due can wait.
void ControlPlane::WatchClock() {
  const int64_t ahead =
      Now() - std::chrono::duration_cast<std::chrono::seconds>(MonotonicNow()).count();
  const int64_t jump = ahead - std::exchange(clock_ahead_, ahead);
  if (std::abs(jump) < kJumpSeconds) return;
  clock_trusted_from_ = MonotonicNow() + kDistrustAfterJump;
  log_.Write(LogLevel::kWarning, LogComponent::kCa,
             absl::StrCat("the clock has jumped by ", jump,
                          " s: look at its synchronisation. Certificates are judged by it; the "
                          "root is not rotated by itself within the next hour"));
}

void ControlPlane::Tick() {
  tick_->Start(kTick);
  WatchClock();
  registry_.Advance(MonotonicNow());
  SaveRegistry();
  if (lacks_vips_ && Now() % kVipRetrySeconds == 0) OnChange();
  if (MonotonicNow() >= clock_trusted_from_ && authority_->RotationIsDue(Now())) {
    const absl::Status begun = authority_->BeginRotation(Now());
    log_.Write(
        begun.ok() ? LogLevel::kInfo : LogLevel::kError, LogComponent::kCa,
        begun.ok() ? "the root nears its end: a new one is being announced" : begun.ToString());
    if (begun.ok()) OnChange();
  }
  const auto stepped = authority_->AdvanceRotation(Now());
  if (!stepped.ok()) {
    log_.Write(LogLevel::kError, LogComponent::kCa, stepped.status().ToString());
  } else if (*stepped) {
    log_.Write(LogLevel::kInfo, LogComponent::kCa, "the root's rotation has gone one step on");
    OnChange();
  }
  if (Now() - cleaned_at_ >= kCleanEverySeconds) {
    cleaned_at_ = Now();
    const absl::Status status = tokens_.DeleteExpired(Now());
    if (!status.ok()) log_.Write(LogLevel::kWarning, LogComponent::kStore, status.ToString());
  }
}

void ControlPlane::OnChange() {
  is_dirty_ = true;
  // At once, before the caller is told of the new roots: it will believe those alone.
  if (authority_->roots_for_joining_pem() != roots_seen_) {
    roots_seen_ = authority_->roots_for_joining_pem();
    if (roots_observer_) roots_observer_();
  }
  if (!coalesce_->active()) Rebuild();
}

void ControlPlane::Rebuild() {
  is_dirty_ = false;
  coalesce_->Start(kCoalesce);
  auto mesh = std::make_shared<discovery::Mesh>();
  mesh->trust_domain = authority_->trust_domain();
  mesh->trust_bundle_pem = authority_->trust_bundle_pem();
  mesh->access_log_file = options_.access_log_file;
  mesh->workloads = registry_.workloads();
  mesh->policies = policies_->policies();
  discovery::ServiceTable services = discovery::BuildServiceTable(*mesh);
  lacks_vips_ = !AssignVips(mesh.get());
  factory_ = std::make_unique<snapshot::SnapshotFactory>(std::move(mesh), std::move(services));
  ++version_count_;
  if (observer_) observer_(*factory_);
}

bool ControlPlane::AssignVips(discovery::Mesh* mesh) {
  std::set<std::string> hosts;
  for (const discovery::ServiceName& name : discovery::VouchedServices(*mesh)) {
    hosts.insert(discovery::HostOf(name));
  }
  for (const policy::Document* document : mesh->policies.ExternalServices()) {
    hosts.insert(std::get<policy::ExternalService>(document->spec).hosts[0]);
  }
  const absl::Status status = vips_->Assign(hosts, Now());
  mesh->vips = vips_->addresses();
  if (!status.ok() && !lacks_vips_) {
    log_.Write(LogLevel::kError, LogComponent::kRegistry,
               absl::StrCat("services without a virtual address: ", status.ToString()));
  }
  return status.ok();
}

std::vector<api::ProxyStatus> ControlPlane::Proxies() const {
  return proxies_ ? proxies_() : std::vector<api::ProxyStatus>();
}

snapshot::Snapshot ControlPlane::SnapshotOf(const std::string& proxy) const {
  return factory_->Build({proxy});
}

}  // namespace tulle::server
