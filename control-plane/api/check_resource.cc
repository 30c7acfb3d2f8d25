#include "control-plane/api/check_resource.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "certs/spiffe_id.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/breaker_json.h"
#include "control-plane/api/check_list.h"
#include "control-plane/discovery/known_services.h"
#include "control-plane/policy/ineffective.h"
#include "control-plane/store/store.h"

namespace tulle::api {
namespace {

constexpr int64_t kRootWarnSeconds = 60LL * 24 * 3600;
// For how long after its last attempt a client with an invalid token counts as still trying.
constexpr int64_t kJoinWindowSeconds = 300;
constexpr int64_t kRotationPatienceSeconds = 600;
constexpr size_t kMostNamed = 20;

}  // namespace

class CheckResource::Findings {
 public:
  // `port`: where sidecars are served; 0: unknown.
  explicit Findings(uint16_t port) : port_(port == 0 ? "15012" : std::to_string(port)) {}

  // `commands`, in order, solve the problem.
  void Add(CheckId id, bool is_good, const std::string& message,
           const std::set<std::string>& commands = {}) {
    const CheckEntry& check = EntryOf(id);
    items_.push_back(
        {{"id", check.text_id}, {"name", check.name}, {"ok", is_good}, {"message", message}});
    all_good_ = all_good_ && is_good;
    if (is_good) return;
    if (!commands.empty()) items_.back()["commands"] = commands;
    if (!check.hint.empty()) {
      items_.back()["hint"] = absl::StrReplaceAll(std::string(check.hint), {{"$PORT", port_}});
    }
  }
  // Passes if `found` is empty.
  void AddList(CheckId id, const std::string& found, const std::set<std::string>& commands = {}) {
    const CheckEntry& check = EntryOf(id);
    Add(id, found.empty(),
        found.empty() ? std::string(check.passed) : std::string(check.failed) + found, commands);
  }
  Json ToJson() const { return {{"ok", all_good_}, {"items", items_}}; }

 private:
  std::string port_;
  Json items_ = Json::array();
  bool all_good_ = true;
};

namespace {

using Findings = CheckResource::Findings;

// Creates a token with which workloads of this identity can join again.
std::string TokenCommand(const std::string& spiffe_id) {
  constexpr const char* kFile = " -o raw > FILE";
  const auto id = certs::SpiffeId::Parse(spiffe_id);
  if (!id.ok() || !id->service_account()) {
    return absl::StrCat("tullectl token create --service NAME", kFile);
  }
  const std::string ns(*id->namespace_name());
  return absl::StrCat("tullectl token create --service ", std::string(*id->service_account()),
                      ns == policy::kDefaultNamespace ? "" : " -n " + ns, kFile);
}

// What is wrong with single proxies, as they are visited.
class ProxyFindings {
 public:
  // `last_ends`: the expiry of the last certificate of all. That of a proxy that was not seen since
  // the start is unknown, and at most that.
  ProxyFindings(int64_t last_ends, int64_t now) : last_ends_(last_ends), now_(now) {}

  void Visit(const ProxyStatus& proxy) {
    if (!proxy.is_connected) away_ += " " + proxy.shown_name();
    for (const std::string& problem : proxy.problems)
      failing_.push_back(absl::StrCat(proxy.shown_name(), ": ", problem));
    for (const auto& type : proxy.types) {
      if (!type.rejection.empty())
        rejecting_ += " " + proxy.shown_name() + " (" + type.rejection + ")";
    }
    VisitCertificate(proxy);
  }
  void AddConfiguration(Findings* findings) const {
    findings->AddList(CheckId::kProxiesConnected, away_);
    findings->AddList(CheckId::kConfigurationAccepted, rejecting_);
    findings->AddList(CheckId::kConfigurationInForce, absl::StrJoin(failing_, "\n"));
  }
  void AddCertificates(Findings* findings) const {
    findings->AddList(CheckId::kWorkloadCertificates, ended_, commands_);
    findings->AddList(CheckId::kCertificatesShared, absl::StrJoin(shared_, ";"));
  }

 private:
  void VisitCertificate(const ProxyStatus& proxy) {
    if (!proxy.certificate_also_used_by.empty()) {
      shared_.push_back(
          absl::StrCat(" ", proxy.shown_name(), ", also by ", proxy.certificate_also_used_by));
    }
    const bool is_known = proxy.certificate_not_after != 0;
    const int64_t end = is_known ? proxy.certificate_not_after : last_ends_;
    if (end == 0 || end > now_ || (!is_known && proxy.is_connected)) return;
    absl::StrAppend(&ended_, " ", proxy.shown_name(), is_known ? " at " : " by ", UtcTime(end));
    commands_.insert(TokenCommand(proxy.spiffe_id));
  }

  int64_t last_ends_;
  int64_t now_;
  std::string away_;
  std::string rejecting_;
  std::vector<std::string> failing_;
  std::string ended_;
  std::set<std::string> commands_;  // for those that have ended
  std::vector<std::string> shared_;
};

void CheckCertificateCounts(const ca::MeshAuthority& authority, Findings* findings) {
  std::string found;
  for (const auto& [identity, count] : authority.IdentitiesNearLimit()) {
    absl::StrAppend(&found, found.empty() ? " " : ", ", identity, " has ", count, " of ",
                    authority.most_valid_of_one_identity());
  }
  findings->AddList(CheckId::kCertificatesPerIdentity, found);
}

void CheckJoins(const ca::JoinTokens& tokens, int64_t now, Findings* findings) {
  std::string refused;
  std::string stranger;
  std::set<std::string> commands;
  for (const auto& [id, join] : tokens.refused()) {
    if (now - join.last_tried > kJoinWindowSeconds) continue;
    const std::string when = absl::StrCat(" (last attempt ", now - join.last_tried, " s ago)");
    if (id.empty()) {
      stranger = "a client with an unknown or revoked token was rejected" + when;
      continue;
    }
    absl::StrAppend(&refused, " ", id, ", whose token expired at ", UtcTime(join.expired_at), when);
    commands.insert(TokenCommand(id));
  }
  // Anyone can try an invalid token: that alone is no failure.
  if (refused.empty() && !stranger.empty())
    return findings->Add(CheckId::kJoinTokens, true, stranger);
  if (!stranger.empty()) refused += "; " + stranger;
  findings->AddList(CheckId::kJoinTokens, refused, commands);
}

void CheckPolicies(const policy::PolicySet& policies, const discovery::Mesh& mesh,
                   Findings* findings) {
  constexpr size_t kMostShown = 10;
  const auto all = policy::FindIneffective(policies, discovery::KnownServicesOf(mesh));
  std::string found;
  for (size_t i = 0; i < std::min(all.size(), kMostShown); ++i) {
    absl::StrAppend(&found, i == 0 ? "" : "; ", policy::ToText(all[i].policy), " ", all[i].field,
                    ": ", all[i].message);
  }
  if (all.size() > kMostShown) absl::StrAppend(&found, "; ", all.size() - kMostShown, " more");
  findings->AddList(CheckId::kPoliciesEffective, found);
}

void CheckRoot(const ca::MeshAuthority& authority, int64_t now, Findings* findings) {
  const int64_t end = authority.signing().certificate().not_after();
  const int64_t warn = std::min(kRootWarnSeconds, authority.root_life_seconds() / 10);
  const bool has_ended = end <= now;
  findings->Add(CheckId::kRootCertificate, end - now > warn,
                has_ended ? absl::StrCat("expired at ", UtcTime(end))
                          : absl::StrCat("expires at ", UtcTime(end), ", in ", (end - now) / 86400,
                                         " days; it is replaced before that"),
                {"tullectl cert rotate --watch"});
}

// A connected node that does not do its part blocks a rotation forever: a person must look.
void CheckRotation(const ca::RootRotation& rotation, int64_t now, Findings* findings) {
  std::string blocked;
  const int64_t since = now - rotation.since();
  if (rotation.phase() != ca::RotationPhase::kSteady && since > kRotationPatienceSeconds) {
    absl::StrAppend(&blocked, " ", since / 60, " minutes");
    const std::vector<std::string> waiting = rotation.waiting();
    if (!waiting.empty()) absl::StrAppend(&blocked, "; waiting for");
    for (size_t i = 0; i < std::min(waiting.size(), kMostNamed); ++i) {
      absl::StrAppend(&blocked, " ", waiting[i]);
    }
    if (waiting.size() > kMostNamed) {
      absl::StrAppend(&blocked, " and ", waiting.size() - kMostNamed, " more");
    }
    if (const int64_t until = rotation.waits_until(now); until != 0) {
      absl::StrAppend(&blocked, "; for certificates that expire at ", UtcTime(until));
    }
  }
  findings->AddList(CheckId::kRootRotation, blocked, {"tullectl status", "tullectl cert roots"});
}

void CheckPods(const std::map<std::string, size_t>& without_sidecar, Findings* findings) {
  std::string found;
  std::set<std::string> commands;
  for (const auto& [ns, count] : without_sidecar) {
    if (commands.size() == kMostNamed) {
      absl::StrAppend(&found, ", and in ", without_sidecar.size() - kMostNamed, " more namespaces");
      break;
    }
    absl::StrAppend(&found, found.empty() ? " " : ", ", count, " in ", ns);
    commands.insert("kubectl -n " + ns + " rollout restart deployment");
  }
  findings->AddList(CheckId::kPodsMeshed, found, commands);
}

void CheckWorkloads(const discovery::Mesh& mesh, Findings* findings) {
  std::string unhealthy;
  for (const auto& [id, workload] : mesh.workloads) {
    if (workload.health != discovery::Health::kHealthy) unhealthy += " " + id;
  }
  findings->AddList(CheckId::kWorkloadsHealthy, unhealthy);
}

}  // namespace

Routes CheckResource::routes() {
  return {{"GET", "/v1/check", Access::kReader, "Check the mesh for problems",
           By(this, &CheckResource::Run)}};
}

// The proxies in slices: of thousands, each turn of the loop visits some.
ApiResponse CheckResource::Run(const Call& call) {
  ApiResponse response;
  response.more = [this, now = call.now, after = std::string(),
                   of_proxies = ProxyFindings(authority_->last_svid_ends(), call.now)](
                      std::string* body) mutable {
    const auto proxies =
        view_->Proxies({ControlPlaneView::Detail::kRejections, after, kProxiesPerTurn});
    for (const ProxyStatus& proxy : proxies) of_proxies.Visit(proxy);
    if (proxies.size() == kProxiesPerTurn) {
      after = proxies.back().name;
      return true;
    }
    Findings findings(view_->GrpcPort());
    of_proxies.AddConfiguration(&findings);
    CheckRoot(*authority_, now, &findings);
    CheckRotation(authority_->rotation(), now, &findings);
    of_proxies.AddCertificates(&findings);
    CheckCertificateCounts(*authority_, &findings);
    CheckMesh(now, &findings);
    *body += Dump(findings.ToJson());
    return false;
  };
  return response;
}

void CheckResource::CheckMesh(int64_t now, Findings* findings) const {
  CheckJoins(*tokens_, now, findings);
  CheckWorkloads(view_->CurrentMesh(), findings);
  findings->AddList(CheckId::kBreakersClosed,
                    OpenEndpoints(view_->OpenBreakers()).ToText(kMostNamed));
  const size_t held = view_->HeldLeases();
  findings->AddList(CheckId::kLeases, held == 0 ? "" : absl::StrCat(" ", held));
  findings->AddList(CheckId::kPoliciesReadable, discovery::ToText(policies_->unreadable()));
  findings->AddList(CheckId::kPoliciesAccepted,
                    absl::StrJoin(view_->RefusedPolicies(), "\n", absl::PairFormatter(": ")));
  // Those of the cluster are in force where both have one.
  policy::PolicySet in_force = policies_->policies();
  for (const auto& [key, document] : view_->ClusterPolicies().documents())
    in_force.Upsert(document);
  CheckPolicies(in_force, view_->CurrentMesh(), findings);
  CheckPods(view_->PodsWithoutSidecar(), findings);
  if (store_ != nullptr)
    findings->AddList(CheckId::kStoreWritable, std::string(store_->WriteFailure().message()));
}

}  // namespace tulle::api
