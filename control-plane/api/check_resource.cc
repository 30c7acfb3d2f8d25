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
constexpr size_t kMostPolicies = 1000;

// One proxy that fails a check.
struct FailingProxy {
  std::string name;
  bool is_connected = false;
  std::string message;
  std::string command = {};  // that solves it
};

}  // namespace

class CheckResource::Findings {
 public:
  // `port`: where sidecars are served; 0: unknown. `is_in_cluster`: proxies are pods'.
  Findings(uint16_t port, bool is_in_cluster)
      : port_(port == 0 ? "15012" : std::to_string(port)), is_in_cluster_(is_in_cluster) {}

  bool is_in_cluster() const { return is_in_cluster_; }

  // `commands`, in order, solve the problem.
  void Add(CheckId id, bool is_good, const std::string& message,
           const std::set<std::string>& commands = {}) {
    const CheckEntry& check = EntryOf(id);
    items_.push_back(
        {{"id", check.text_id}, {"name", check.name}, {"ok", is_good}, {"message", message}});
    all_good_ = all_good_ && is_good;
    if (is_good) return;
    if (!commands.empty()) items_.back()["commands"] = commands;
    const bool is_pods = is_in_cluster_ && !check.cluster_hint.empty();
    const std::string hint(is_pods ? check.cluster_hint : check.hint);
    if (!hint.empty()) items_.back()["hint"] = absl::StrReplaceAll(hint, {{"$PORT", port_}});
  }
  // Passes if `found` is empty.
  void AddList(CheckId id, const std::string& found, const std::set<std::string>& commands = {}) {
    const CheckEntry& check = EntryOf(id);
    Add(id, found.empty(),
        found.empty() ? std::string(check.passed) : std::string(check.failed) + found, commands);
  }
  // The same, with what is wrong with single policies: by "KIND NAMESPACE/NAME".
  void AddPolicies(CheckId id, const std::string& found,
                   const std::multimap<std::string, std::string>& problems) {
    AddList(id, found);
    Json policies = Json::array();
    for (const auto& [policy, message] : problems) {
      if (policies.size() == kMostPolicies) break;
      policies.push_back({{"policy", policy}, {"message", message}});
    }
    if (!policies.empty()) items_.back()["policies"] = std::move(policies);
  }
  // The message names the first of them. All of them follow, for a client that asks several
  // replicas: a proxy that is connected to another replica does not fail the check here.
  void AddProxies(CheckId id, const std::vector<FailingProxy>& failing) {
    const CheckEntry& check = EntryOf(id);
    const bool has_lines = check.failed.ends_with('\n');
    std::string found;
    std::set<std::string> commands;
    Json proxies = Json::array();
    for (const FailingProxy& each : failing) {
      if (proxies.size() < kMostNamed) {
        const char* separator = found.empty() ? " " : ", ";
        if (has_lines) separator = found.empty() ? "" : "\n";
        absl::StrAppend(&found, separator, each.message);
        if (!each.command.empty()) commands.insert(each.command);
      }
      proxies.push_back(
          {{"name", each.name}, {"connected", each.is_connected}, {"message", each.message}});
      if (!each.command.empty()) proxies.back()["command"] = each.command;
    }
    if (failing.size() > kMostNamed)
      absl::StrAppend(&found, has_lines ? "\n" : " ", "and ", failing.size() - kMostNamed, " more");
    AddList(id, found, commands);
    if (failing.empty()) return;
    items_.back()["passed"] = check.passed;
    items_.back()["failed"] = check.failed;
    items_.back()["proxies"] = std::move(proxies);
  }
  Json ToJson() const { return {{"ok", all_good_}, {"items", items_}}; }

 private:
  std::string port_;
  bool is_in_cluster_;
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
    const std::string& shown = proxy.shown_name();
    if (!proxy.is_connected) Add(CheckId::kProxiesConnected, proxy, shown);
    for (const std::string& problem : proxy.problems)
      Add(CheckId::kConfigurationInForce, proxy, absl::StrCat(shown, ": ", problem));
    for (const auto& type : proxy.types) {
      if (!type.rejection.empty())
        Add(CheckId::kConfigurationAccepted, proxy, shown + " (" + type.rejection + ")");
    }
    VisitCertificate(proxy);
  }
  void AddTo(Findings* findings, CheckId id) const {
    const auto found = failing_.find(id);
    findings->AddProxies(id, found == failing_.end() ? std::vector<FailingProxy>() : found->second);
  }

 private:
  void Add(CheckId id, const ProxyStatus& proxy, const std::string& message,
           const std::string& command = "") {
    failing_[id].push_back({proxy.name, proxy.is_connected, message, command});
  }
  void VisitCertificate(const ProxyStatus& proxy) {
    const std::string& shown = proxy.shown_name();
    if (!proxy.certificate_also_used_by.empty()) {
      Add(CheckId::kCertificatesShared, proxy,
          absl::StrCat(shown, " (also by ", proxy.certificate_also_used_by, ")"));
    }
    const bool is_known = proxy.certificate_not_after != 0;
    const int64_t end = is_known ? proxy.certificate_not_after : last_ends_;
    if (end == 0 || end > now_ || (!is_known && proxy.is_connected)) return;
    Add(CheckId::kWorkloadCertificates, proxy,
        absl::StrCat(shown, is_known ? " at " : " by ", UtcTime(end)),
        // A pod has its token from the cluster.
        proxy.pod.empty() ? TokenCommand(proxy.spiffe_id) : "");
  }

  int64_t last_ends_;
  int64_t now_;
  std::map<CheckId, std::vector<FailingProxy>> failing_;
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
  // Pods do not join by these.
  if (refused.empty() && findings->is_in_cluster()) return;
  // Anyone can try an invalid token: that alone is no failure.
  if (refused.empty() && !stranger.empty())
    return findings->Add(CheckId::kJoinTokens, true, stranger);
  if (!stranger.empty()) refused += "; " + stranger;
  findings->AddList(CheckId::kJoinTokens, refused, commands);
}

void AddPolicies(CheckId id, const std::map<std::string, std::string>& problems,
                 Findings* findings) {
  findings->AddPolicies(id, absl::StrJoin(problems, "\n", absl::PairFormatter(": ")),
                        {problems.begin(), problems.end()});
}

// `unresolved`: routes whose backends another check names.
void CheckPolicies(const policy::PolicySet& policies, const discovery::Mesh& mesh,
                   const std::map<std::string, std::string>& unresolved, Findings* findings) {
  constexpr size_t kMostShown = 10;
  auto all = policy::FindIneffective(policies, discovery::KnownServicesOf(mesh));
  std::erase_if(all, [&](const policy::Ineffective& each) {
    return each.field.starts_with("spec.rules") && unresolved.contains(policy::ToText(each.policy));
  });
  std::string found;
  for (size_t i = 0; i < std::min(all.size(), kMostShown); ++i) {
    absl::StrAppend(&found, i == 0 ? "" : "; ", policy::ToText(all[i].policy), " ", all[i].field,
                    ": ", all[i].message);
  }
  if (all.size() > kMostShown) absl::StrAppend(&found, "; ", all.size() - kMostShown, " more");
  std::multimap<std::string, std::string> problems;
  for (const policy::Ineffective& each : all)
    problems.emplace(policy::ToText(each.policy), each.field + ": " + each.message);
  findings->AddPolicies(CheckId::kPoliciesEffective, found, problems);
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
    if (!rotation.others_reason().empty())
      absl::StrAppend(&blocked, "; for ", rotation.others_reason());
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
  std::vector<std::string> unhealthy;
  for (const auto& [id, workload] : mesh.workloads) {
    if (workload.health == discovery::Health::kHealthy) continue;
    const auto pod = workload.metadata.find(discovery::kPodMetadata);
    unhealthy.push_back(pod == workload.metadata.end() ? id : pod->second);
  }
  const size_t shown = std::min(unhealthy.size(), kMostNamed);
  std::string names;
  for (size_t i = 0; i < shown; ++i) absl::StrAppend(&names, i == 0 ? " " : ", ", unhealthy[i]);
  if (unhealthy.size() > shown) absl::StrAppend(&names, " and ", unhealthy.size() - shown, " more");
  findings->AddList(CheckId::kWorkloadsHealthy, names);
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
    Findings findings(view_->GrpcPort(), view_->IsInCluster());
    for (const CheckId id : {CheckId::kProxiesConnected, CheckId::kConfigurationAccepted,
                             CheckId::kConfigurationInForce})
      of_proxies.AddTo(&findings, id);
    CheckRoot(*authority_, now, &findings);
    CheckRotation(authority_->rotation(), now, &findings);
    for (const CheckId id : {CheckId::kWorkloadCertificates, CheckId::kCertificatesShared})
      of_proxies.AddTo(&findings, id);
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
  // Pods have none.
  if (held != 0 || !findings->is_in_cluster())
    findings->AddList(CheckId::kLeases, held == 0 ? "" : absl::StrCat(" ", held));
  findings->AddList(CheckId::kPoliciesReadable, discovery::ToText(policies_->unreadable()));
  AddPolicies(CheckId::kPoliciesAccepted, view_->RefusedPolicies(), findings);
  // Those of the cluster are in force where both have one.
  policy::PolicySet in_force = policies_->policies();
  for (const auto& [key, document] : view_->ClusterPolicies().documents())
    in_force.Upsert(document);
  const auto unresolved = view_->UnresolvedRoutes();
  AddPolicies(CheckId::kRoutesResolved, unresolved, findings);
  CheckPolicies(in_force, view_->CurrentMesh(), unresolved, findings);
  CheckPods(view_->PodsWithoutSidecar(), findings);
  if (store_ != nullptr)
    findings->AddList(CheckId::kStoreWritable, std::string(store_->WriteFailure().message()));
}

}  // namespace tulle::api
