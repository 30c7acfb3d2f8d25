#include "control-plane/cli/description.h"

#include <algorithm>

#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/policy_targets.h"

namespace tulle::cli {
namespace {

constexpr size_t kLabelWidth = 15;
constexpr int64_t kTrafficSeconds = 60;

// "yes"; or which policy is in effect instead, or why none is.
std::string EffectOf(const Json& policy, const Json& policies,
                     const std::vector<TrafficName>& services) {
  const Verdict verdict = VerdictOf(policy);
  if (verdict.state == Verdict::State::kRefused) return "no: " + verdict.reason;
  std::string instead;
  for (const TrafficName& service : services) {
    if (!Concerns(policy, service.ns, service.name)) continue;
    const Json* winner = MoreSpecific(policy, policies, service.ns, service.name);
    if (winner == nullptr) return "yes";
    instead = ShortName(TextAt(*winner, "/kind"), TextAt(*winner, "/metadata/name"));
  }
  return instead.empty() ? "yes" : "no: overridden by " + instead;
}

}  // namespace

void Description::AddLine(std::string label, const std::string& text) {
  label += ":";
  label.resize(std::max(kLabelWidth, label.size() + 1), ' ');
  session_.out() << label << (text.empty() ? "<none>" : text) << "\n";
}

void Description::AddTable(const std::string& title, const Table& table) {
  session_.out() << "\n" << title << ":" << (table.empty() ? " <none>\n" : "\n");
  if (!table.empty()) session_.Show(table);
}

void Description::AddText(const std::string& text) { session_.out() << "\n" << text; }

void Description::AddProblem(const std::string& problem) {
  if (std::find(problems_.begin(), problems_.end(), problem) == problems_.end())
    problems_.push_back(problem);
}

int Description::Finish() {
  session_.out() << "\nProblems:" << (problems_.empty() ? " <none>\n" : "\n");
  for (const std::string& problem : problems_) session_.out() << "  " << problem << "\n";
  return 0;
}

absl::Status Description::AddTraffic(const std::string& title,
                                     const std::function<bool(const TrafficLink&)>& concerns) {
  const auto reply = session_.Get("/v1/traffic", {{"window", std::to_string(kTrafficSeconds)}});
  if (!reply.ok()) return reply.status();
  const int64_t seconds = NumberAt(*reply, "/seconds");
  Table table({"CALLER", "SERVICE", "SUCCESS", "RPS", "P50", "P99", "MTLS", "ERRORS"});
  for (const TrafficLink& link : ReadLinks(*reply)) {
    if (!concerns(link)) continue;
    const uint64_t count = link.is_tcp ? link.traffic.tcp.opened : link.traffic.requests;
    const std::string errors = ErrorsText(link.traffic);
    table.AddRow({NameText(link.source), NameText(link.service), SuccessText(link.traffic),
                  RateText(count, seconds), LatencyText(link.traffic, 0.5),
                  LatencyText(link.traffic, 0.99), SecuredText(link.mutual_tls, count),
                  errors.empty() ? "-" : errors});
    AddTrafficProblem(link, errors);
  }
  AddTable(title, table);
  return absl::OkStatus();
}

void Description::AddTrafficProblem(const TrafficLink& link, const std::string& errors) {
  const std::string of = std::string(" of the ") + (link.is_tcp ? "TCP connections" : "requests") +
                         " of " + NameText(link.source) + " to " + NameText(link.service);
  const std::string why = " (" + errors + "): see `tullectl errors`";
  const insight::Connections& tcp = link.traffic.tcp;
  const uint64_t all = std::max<uint64_t>(link.is_tcp ? tcp.opened : link.traffic.requests, 1);
  if (100 * (link.is_tcp ? tcp.failed : link.traffic.failures) >= all) {
    AddProblem(SuccessText(link.traffic) + of + " succeed" + why);
  } else if (100 * RefusedIn(link.traffic) >= all) {
    AddProblem(std::to_string(RefusedIn(link.traffic)) + of +
               (link.is_tcp ? " were denied" : " were denied or limited") + why);
  }
}

absl::StatusOr<KnownProblems> ReadProblems(Session& session) {
  const auto reply = session.Get("/v1/check");
  if (!reply.ok()) return reply.status();
  KnownProblems known;
  for (const Json& item : PartAt(*reply, "/items")) {
    for (const Json& policy : PartAt(item, "/policies"))
      known.of_policy[TextAt(policy, "/policy")].push_back(TextAt(policy, "/message"));
    for (const Json& proxy : PartAt(item, "/proxies")) {
      known.of_proxy[TextAt(proxy, "/name")].push_back("check \"" + TextAt(item, "/name") +
                                                       "\" fails: " + TextAt(proxy, "/message"));
    }
  }
  return known;
}

std::string NameText(const TrafficName& name) {
  return name.name.empty() ? "unknown" : name.name + "." + name.ns;
}

std::string KeyOf(const Json& policy) {
  return TextAt(policy, "/kind") + " " + TextAt(policy, "/metadata/namespace") + "/" +
         TextAt(policy, "/metadata/name");
}

void AddPolicies(const Json& policies, const std::vector<TrafficName>& services,
                 const KnownProblems& known, Description* description) {
  Table table({"POLICY", "NAMESPACE", "TARGET", "IN EFFECT", "SUMMARY"});
  for (const Json& policy : policies) {
    const bool concerns = std::any_of(
        services.begin(), services.end(),
        [&](const TrafficName& service) { return Concerns(policy, service.ns, service.name); });
    if (!concerns) continue;
    const std::string name = ShortName(TextAt(policy, "/kind"), TextAt(policy, "/metadata/name"));
    table.AddRow({name, TextAt(policy, "/metadata/namespace"), TargetOf(policy),
                  EffectOf(policy, policies, services), SummaryOf(policy)});
    const Verdict verdict = VerdictOf(policy);
    if (verdict.state == Verdict::State::kRefused || verdict.state == Verdict::State::kIncomplete)
      description->AddProblem(name + ": " + verdict.reason + ": " + verdict.message);
    const auto found = known.of_policy.find(KeyOf(policy));
    if (found == known.of_policy.end()) continue;
    for (const std::string& problem : found->second) description->AddProblem(name + ": " + problem);
  }
  description->AddTable("Policies", table);
}

}  // namespace tulle::cli
