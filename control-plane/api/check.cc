// What is wrong in the mesh, and the commands that mend it.

#include <algorithm>
#include <ctime>
#include <set>

#include "absl/strings/str_cat.h"
#include "certs/spiffe_id.h"
#include "control-plane/api/call.h"
#include "control-plane/discovery/known_services.h"
#include "control-plane/policy/ineffective.h"

namespace tulle::api {
namespace {

constexpr int64_t kRootWarnSeconds = 60LL * 24 * 3600;
// An attempt with a token that is no good counts as under way for so long after the last one.
constexpr int64_t kJoinWindowSeconds = 300;
constexpr int64_t kRotationPatienceSeconds = 600;
constexpr size_t kMostNamed = 20;

class Findings {
 public:
  // `commands`, in order, are what to do about it.
  void Add(const char* name, bool is_good, const std::string& message,
           const std::set<std::string>& commands = {}) {
    items_.push_back({{"name", name}, {"ok", is_good}, {"message", message}});
    if (!is_good && !commands.empty()) items_.back()["commands"] = commands;
    all_good_ = all_good_ && is_good;
  }
  // Good if nothing was found.
  void AddList(const char* name, const std::string& found, const char* good, const char* bad,
               const std::set<std::string>& commands = {}) {
    Add(name, found.empty(), found.empty() ? good : bad + found, commands);
  }
  Json ToJson() const { return {{"ok", all_good_}, {"items", items_}}; }

 private:
  Json items_ = Json::array();
  bool all_good_ = true;
};

std::string TimeText(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  const size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

// How the workloads of an identity get in again.
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

void CheckProxies(const ControlPlaneView& view, Findings* findings) {
  std::string away;
  std::string rejecting;
  for (const ProxyStatus& proxy : view.Proxies()) {
    if (!proxy.is_connected) away += " " + proxy.name;
    for (const auto& type : proxy.types) {
      if (!type.rejection.empty()) rejecting += " " + proxy.name + " (" + type.rejection + ")";
    }
  }
  findings->AddList("proxies connected", away, "all", "not connected:");
  findings->AddList("configuration accepted", rejecting, "by all", "rejected by:");
}

// Of one that has not been seen since the start it is only known when the last of all ended.
void CheckCertificates(const ControlPlaneView& view, int64_t last_ends, int64_t now,
                       Findings* findings) {
  std::string ended;
  std::set<std::string> commands;
  for (const ProxyStatus& proxy : view.Proxies()) {
    const bool is_known = proxy.certificate_not_after != 0;
    const int64_t end = is_known ? proxy.certificate_not_after : last_ends;
    if (end == 0 || end > now || (!is_known && proxy.is_connected)) continue;
    absl::StrAppend(&ended, " ", proxy.name, is_known ? " at " : " by ", TimeText(end));
    commands.insert(TokenCommand(proxy.spiffe_id));
  }
  findings->AddList("certificates of workloads", ended, "none has ended", "ended:", commands);
}

void CheckJoins(const ca::JoinTokens& tokens, int64_t now, Findings* findings) {
  std::string refused;
  std::set<std::string> commands;
  for (const auto& [id, join] : tokens.refused()) {
    if (now - join.last_tried > kJoinWindowSeconds) continue;
    if (id.empty()) {
      absl::StrAppend(&refused, " somebody with a token that is not known");
    } else {
      absl::StrAppend(&refused, " ", id, ", whose token ended at ", TimeText(join.expired_at));
    }
    absl::StrAppend(&refused, " (last tried ", now - join.last_tried, " s ago)");
    commands.insert(TokenCommand(id));
  }
  findings->AddList("join tokens", refused, "none was refused", "refused:", commands);
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
  findings->AddList("policies find their targets and take effect", found, "all", "");
}

void CheckRoot(const ca::MeshAuthority& authority, int64_t now, Findings* findings) {
  const int64_t end = authority.signing().certificate().not_after();
  const int64_t warn = std::min(kRootWarnSeconds, authority.root_life_seconds() / 10);
  const bool has_ended = end <= now;
  findings->Add("root certificate", end - now > warn,
                has_ended ? absl::StrCat("ended at ", TimeText(end))
                          : absl::StrCat("ends at ", TimeText(end), ", in ", (end - now) / 86400,
                                         " days; a new one takes its place by itself before that"),
                {"tullectl cert rotate --watch"});
}

// A node that is there and does not do its part holds a rotation up without end: somebody must
// look.
void CheckRotation(const ca::RootRotation& rotation, int64_t now, Findings* findings) {
  std::string held_up;
  const int64_t since = now - rotation.since();
  if (rotation.phase() != ca::RotationPhase::kSteady && since > kRotationPatienceSeconds) {
    absl::StrAppend(&held_up, " ", since / 60, " minutes");
    const std::vector<std::string> waiting = rotation.waiting();
    if (!waiting.empty()) absl::StrAppend(&held_up, "; it waits for");
    for (size_t i = 0; i < std::min(waiting.size(), kMostNamed); ++i) {
      absl::StrAppend(&held_up, " ", waiting[i]);
    }
    if (waiting.size() > kMostNamed) {
      absl::StrAppend(&held_up, " and ", waiting.size() - kMostNamed, " more");
    }
    if (const int64_t until = rotation.waits_until(now); until != 0) {
      absl::StrAppend(&held_up, "; for certificates that end at ", TimeText(until));
    }
  }
  findings->AddList("rotation of the root", held_up, "none is held up", "under way for",
                    {"tullectl status", "tullectl cert roots"});
}

}  // namespace

ApiResponse Api::Check(const Call& call) {
  Findings findings;
  const ControlPlaneView& view = *parts_.view;
  CheckProxies(view, &findings);
  CheckRoot(*parts_.authority, call.now, &findings);
  CheckRotation(parts_.authority->rotation(), call.now, &findings);
  CheckCertificates(view, parts_.authority->last_svid_ends(), call.now, &findings);
  CheckJoins(*parts_.tokens, call.now, &findings);
  std::string unhealthy;
  for (const auto& [id, workload] : view.CurrentMesh().workloads) {
    if (workload.health != discovery::Health::kHealthy) unhealthy += " " + id;
  }
  findings.AddList("workloads healthy", unhealthy, "all", "unhealthy:");
  const size_t held = view.HeldLeases();
  findings.Add("leases", held == 0,
               held == 0
                   ? "none is held"
                   : absl::StrCat(held, " are overdue at once and held: look at the network"));
  findings.AddList("policies readable", discovery::ToText(parts_.policies->unreadable()), "all",
                   "out of force, apply anew or delete:\n");
  CheckPolicies(parts_.policies->policies(), view.CurrentMesh(), &findings);
  return Answer(findings.ToJson());
}

}  // namespace tulle::api
