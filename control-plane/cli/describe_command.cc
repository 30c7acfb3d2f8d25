// `tullectl describe`: a service, a policy or a proxy with all that concerns it, and what is wrong.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/policy_targets.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/traffic.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr size_t kLabelWidth = 14;
constexpr int64_t kTrafficSeconds = 60;

void PrintLine(Session& session, std::string label, const std::string& text) {
  label += ":";
  label.resize(std::max(kLabelWidth, label.size() + 1), ' ');
  session.out() << label << (text.empty() ? "<none>" : text) << "\n";
}

void PrintTable(Session& session, const std::string& title, const Table& table) {
  session.out() << "\n" << title << ":" << (table.empty() ? " <none>\n" : "\n");
  if (!table.empty()) session.Show(table);
}

void PrintProblems(Session& session, const std::vector<std::string>& problems) {
  session.out() << "\nProblems:" << (problems.empty() ? " <none>\n" : "\n");
  for (const std::string& problem : problems) session.out() << "  " << problem << "\n";
}

std::string ShownCaller(const TrafficName& name) {
  return name.name.empty() ? "unknown" : name.name + "." + name.ns;
}

// What is known of one service, as it is gathered.
class ServiceDescription {
 public:
  ServiceDescription(Session& session, Json service)
      : session_(session),
        service_(std::move(service)),
        ns_(TextAt(service_, "/namespace")),
        name_(TextAt(service_, "/name")) {}

  absl::StatusOr<int> Print() {
    PrintHead();
    if (absl::Status read = ReadProxies(); !read.ok()) return read;
    PrintEndpoints();
    if (absl::Status printed = PrintPolicies(); !printed.ok()) return printed;
    if (absl::Status printed = PrintTraffic(); !printed.ok()) return printed;
    PrintProblems(session_, problems_);
    return 0;
  }

 private:
  void PrintHead() {
    PrintLine(session_, "Name", name_);
    PrintLine(session_, "Namespace", ns_);
    PrintLine(session_, "Host", TextAt(service_, "/host"));
    std::string ports;
    for (const Json& port : PartAt(service_, "/ports")) {
      ports +=
          (ports.empty() ? "" : ", ") + TextAt(port, "/number") + "/" + TextAt(port, "/protocol");
    }
    PrintLine(session_, "Ports", ports);
    std::string identities;
    for (const Json& identity : PartAt(service_, "/identities"))
      identities += (identities.empty() ? "" : ", ") + TextAt(identity, "");
    PrintLine(session_, "Identities", identities);
  }

  absl::Status ReadProxies() {
    const auto all = session_.Get("/v1/proxies");
    if (!all.ok()) return all.status();
    for (const Json& proxy : PartAt(*all, "/items")) proxies_[TextAt(proxy, "/name")] = proxy;
    return absl::OkStatus();
  }

  void PrintEndpoints() {
    Table table({"ENDPOINT", "PORT", "HEALTH", "PROXY", "CONFIGURATION"});
    for (const Json& port : PartAt(service_, "/ports")) {
      bool any_healthy = false;
      for (const Json& endpoint : PartAt(port, "/endpoints")) {
        any_healthy |= TextAt(endpoint, "/health") == "healthy";
        AddEndpoint(port, endpoint, &table);
      }
      if (!any_healthy) {
        problems_.push_back("port " + TextAt(port, "/number") +
                            " has no healthy endpoint: requests to it fail with 503");
      }
    }
    PrintTable(session_, "Endpoints", table);
  }

  void AddEndpoint(const Json& port, const Json& endpoint, Table* table) {
    const std::string address = TextAt(endpoint, "/address") + ":" + TextAt(endpoint, "/port");
    const std::string health = TextAt(endpoint, "/health");
    const auto found = proxies_.find(TextAt(endpoint, "/workload"));
    const bool has_proxy = found != proxies_.end();
    const std::string state = has_proxy ? ConfigurationOf(found->second) : "";
    const std::string proxy = has_proxy ? ShownName(found->second) : "";
    table->AddRow({address, TextAt(port, "/number"), health, proxy, state});
    if (health == "unhealthy") problems_.push_back("endpoint " + address + " is unhealthy");
    if (!TrueAt(endpoint, "/meshed")) {
      problems_.push_back("endpoint " + address +
                          " has no sidecar: calls to it are in plaintext, and policies of this "
                          "service are not enforced there");
    }
    if (has_proxy && state != "SYNCED") {
      problems_.push_back("proxy " + proxy + " is " + state + ": run `tullectl status " + proxy +
                          "`");
    }
    const Json& open = PartAt(endpoint, "/openBreakers");
    if (!PartAt(open, "/proxies").empty()) {
      problems_.push_back("the circuit breaker for endpoint " + address + " is open in " +
                          TextAt(open, "/count") + " proxies (" +
                          OpenSince(open, session_.environment.now()) + ")");
    }
  }

  absl::Status PrintPolicies() {
    const auto policies = ListPolicies(session_, {Selected{}}, "");
    if (!policies.ok()) return policies.status();
    Table table({"POLICY", "NAMESPACE", "TARGET", "SUMMARY"});
    for (const Json& policy : *policies) {
      ReadRoute(policy);
      if (!Concerns(policy, ns_, name_)) continue;
      const std::string name = ShortName(TextAt(policy, "/kind"), TextAt(policy, "/metadata/name"));
      table.AddRow(
          {name, TextAt(policy, "/metadata/namespace"), TargetOf(policy), SummaryOf(policy)});
      const Verdict verdict = VerdictOf(policy);
      if (verdict.state == Verdict::State::kRefused || verdict.state == Verdict::State::kIncomplete)
        problems_.push_back(name + ": " + verdict.reason + ": " + verdict.message);
    }
    PrintTable(session_, "Policies", table);
    if (!chosen_by_.empty()) {
      session_.out() << "\nRoutes of other services that choose this one: " << chosen_by_
                     << "\nPolicies of those services apply to what is called by their names.\n";
    }
    return absl::OkStatus();
  }

  // A route gives requests to this service to others, or those of others to this one.
  void ReadRoute(const Json& policy) {
    const std::string own = name_ + "." + ns_;
    const std::vector<std::string> parents = ParentsOf(policy);
    const std::vector<std::string> backends = BackendsOf(policy);
    const auto has_own = [&own](const std::vector<std::string>& services) {
      return std::find(services.begin(), services.end(), own) != services.end();
    };
    if (has_own(parents)) {
      chosen_.insert(backends.begin(), backends.end());
    } else if (has_own(backends)) {
      const std::string route =
          ShortName(TextAt(policy, "/kind"), TextAt(policy, "/metadata/name"));
      for (const std::string& parent : parents)
        chosen_by_ += (chosen_by_.empty() ? "" : ", ") + parent + " (" + route + ")";
    }
  }

  absl::Status PrintTraffic() {
    const auto reply = session_.Get("/v1/traffic", {{"window", std::to_string(kTrafficSeconds)}});
    if (!reply.ok()) return reply.status();
    const int64_t seconds = NumberAt(*reply, "/seconds");
    const std::string own = name_ + "." + ns_;
    Table table({"CALLER", "SERVICE", "SUCCESS", "RPS", "P50", "P99", "MTLS", "ERRORS"});
    for (const TrafficLink& link : ReadLinks(*reply)) {
      const std::string service = ShownCaller(link.service);
      if (service != own && !chosen_.contains(service)) continue;
      const uint64_t count = link.is_tcp ? link.traffic.tcp.opened : link.traffic.requests;
      const std::string errors = ErrorsText(link.traffic);
      table.AddRow({ShownCaller(link.source), service, SuccessText(link.traffic),
                    RateText(count, seconds), LatencyText(link.traffic, 0.5),
                    LatencyText(link.traffic, 0.99), SecuredText(link.mutual_tls, count),
                    errors.empty() ? "-" : errors});
      AddTrafficProblem(link, errors);
    }
    chosen_.erase(own);
    PrintTable(session_,
               chosen_.empty()
                   ? "Traffic of the last minute"
                   : "Traffic of the last minute, also to the services that its routes choose",
               table);
    return absl::OkStatus();
  }

  void AddTrafficProblem(const TrafficLink& link, const std::string& errors) {
    const std::string of =
        " of the requests of " + ShownCaller(link.source) + " to " + ShownCaller(link.service);
    const std::string why = " (" + errors + "): see `tullectl errors`";
    if (100 * link.traffic.failures >= std::max<uint64_t>(link.traffic.requests, 1)) {
      problems_.push_back(SuccessText(link.traffic) + of + " succeed" + why);
    } else if (100 * RefusedIn(link.traffic) >= std::max<uint64_t>(link.traffic.requests, 1)) {
      problems_.push_back(std::to_string(RefusedIn(link.traffic)) + of +
                          " were denied or limited by policies" + why);
    }
  }

  Session& session_;
  const Json service_;
  const std::string ns_;
  const std::string name_;
  std::map<std::string, Json> proxies_;  // by node ID
  std::set<std::string> chosen_;         // services that its routes send requests to
  std::string chosen_by_;                // services whose routes send requests to it
  std::vector<std::string> problems_;
};

bool IsService(const std::string& kind) {
  return kind == "service" || kind == "services" || kind == "svc";
}

absl::StatusOr<int> DescribeService(Session& session, const std::string& name) {
  const std::string ns = session.Namespace();
  const auto reply = session.Get("/v1/services", {{"namespace", ns}});
  if (!reply.ok()) return reply.status();
  for (const Json& service : PartAt(*reply, "/items")) {
    if (TextAt(service, "/name") == name) return ServiceDescription(session, service).Print();
  }
  return UserError("service " + name + " not found in namespace " + ns,
                   "list services with `tullectl services -A`");
}

// The services of this namespace that the policy is for.
absl::Status PrintConcerned(Session& session, const Json& policy) {
  const auto reply = session.Get("/v1/services");
  if (!reply.ok()) return reply.status();
  std::string concerned;
  for (const Json& service : PartAt(*reply, "/items")) {
    const std::string ns = TextAt(service, "/namespace");
    const std::string name = TextAt(service, "/name");
    if (Concerns(policy, ns, name)) concerned += (concerned.empty() ? "" : ", ") + name + "." + ns;
  }
  PrintLine(session, "Services", concerned);
  return absl::OkStatus();
}

absl::StatusOr<int> DescribePolicy(Session& session, const Selected& selected) {
  const auto found = ListPolicies(session, {selected}, session.Namespace());
  if (!found.ok()) return found.status();
  std::vector<std::string> problems;
  for (const Json& policy : *found) {
    PrintLine(session, "Name", TextAt(policy, "/metadata/name"));
    PrintLine(session, "Namespace", TextAt(policy, "/metadata/namespace"));
    PrintLine(session, "Kind", TextAt(policy, "/kind"));
    PrintLine(session, "Created", TextAt(policy, "/metadata/creationTimestamp"));
    PrintLine(session, "Target", TargetOf(policy));
    if (absl::Status printed = PrintConcerned(session, policy); !printed.ok()) return printed;
    session.out() << "\nSpec:\n" << ToYaml(PartAt(policy, "/spec"));
    const Verdict verdict = VerdictOf(policy);
    if (verdict.state == Verdict::State::kRefused || verdict.state == Verdict::State::kIncomplete)
      problems.push_back(verdict.reason + ": " + verdict.message);
  }
  PrintProblems(session, problems);
  return 0;
}

}  // namespace

absl::StatusOr<int> Describe(Session& session) {
  const Invocation& wanted = session.invocation;
  std::string kind = wanted.kind;
  std::string name = wanted.names.empty() ? "" : wanted.names[0];
  if (const size_t slash = kind.find('/'); slash != std::string::npos) {
    name = kind.substr(slash + 1);
    kind.resize(slash);
  }
  if (name.empty()) {
    return UserError("the name of what to describe is missing",
                     "use `tullectl describe KIND NAME`, such as `tullectl describe service post`");
  }
  if (IsService(kind)) return DescribeService(session, name);
  if (kind == "proxy" || kind == "proxies") return ShowProxies(session, name);
  const auto selection = ReadSelection(kind, {name});
  if (!selection.ok()) return selection.status();
  return DescribePolicy(session, selection->front());
}

}  // namespace tulle::cli
