// `tullectl describe service`: its endpoints, policies and callers, and what is wrong.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/description.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/policy_targets.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

std::string PortsOf(const Json& service) {
  std::string ports;
  for (const Json& port : PartAt(service, "/ports"))
    ports +=
        (ports.empty() ? "" : ", ") + TextAt(port, "/number") + "/" + TextAt(port, "/protocol");
  return ports;
}

void AddHead(const Json& service, Description* description) {
  description->AddLine("Name", TextAt(service, "/name"));
  description->AddLine("Namespace", TextAt(service, "/namespace"));
  description->AddLine("Host", TextAt(service, "/host"));
  description->AddLine("Ports", PortsOf(service));
  std::string identities;
  for (const Json& identity : PartAt(service, "/identities"))
    identities += (identities.empty() ? "" : ", ") + TextAt(identity, "");
  description->AddLine("Identities", identities);
}

// The endpoints of one service, with the proxies before them.
class EndpointTable {
 public:
  // `proxies`: by node ID. All outlive this.
  EndpointTable(const std::map<std::string, Json>& proxies, const KnownProblems& known, int64_t now,
                Description* description)
      : proxies_(proxies), known_(known), now_(now), description_(*description) {}

  void AddPort(const Json& port) {
    bool any_healthy = false;
    for (const Json& endpoint : PartAt(port, "/endpoints")) {
      any_healthy |= TextAt(endpoint, "/health") == "healthy";
      AddEndpoint(port, endpoint);
    }
    if (any_healthy) return;
    description_.AddProblem("port " + TextAt(port, "/number") +
                            " has no healthy endpoint: requests to it fail with 503");
  }
  const Table& table() const { return table_; }

 private:
  void AddEndpoint(const Json& port, const Json& endpoint) {
    const std::string address = TextAt(endpoint, "/address") + ":" + TextAt(endpoint, "/port");
    const std::string health = TextAt(endpoint, "/health");
    if (health == "unhealthy") description_.AddProblem("endpoint " + address + " is unhealthy");
    if (!TrueAt(endpoint, "/meshed")) {
      description_.AddProblem("endpoint " + address +
                              " has no sidecar: calls to it are in plaintext, and policies of this "
                              "service are not enforced there");
    }
    const Json& open = PartAt(endpoint, "/openBreakers");
    if (!PartAt(open, "/proxies").empty()) {
      description_.AddProblem("the circuit breaker for endpoint " + address + " is open in " +
                              TextAt(open, "/count") + " proxies (" + OpenSince(open, now_) + ")");
    }
    const auto found = proxies_.find(TextAt(endpoint, "/workload"));
    const bool has_proxy = found != proxies_.end();
    if (has_proxy) AddProxyProblems(found->second);
    table_.AddRow({address, TextAt(port, "/number"), health,
                   has_proxy ? ShownName(found->second) : "",
                   has_proxy ? ConfigurationOf(found->second) : ""});
  }
  void AddProxyProblems(const Json& proxy) {
    const std::string state = ConfigurationOf(proxy);
    const std::string name = ShownName(proxy);
    if (state != "SYNCED") {
      description_.AddProblem("proxy " + name + " is " + state + ": run `tullectl status " + name +
                              "`");
    }
    const auto found = known_.of_proxy.find(TextAt(proxy, "/name"));
    if (found == known_.of_proxy.end()) return;
    for (const std::string& problem : found->second) description_.AddProblem(problem);
  }

  const std::map<std::string, Json>& proxies_;
  const KnownProblems& known_;
  const int64_t now_;
  Description& description_;
  Table table_{{"ENDPOINT", "PORT", "HEALTH", "PROXY", "CONFIGURATION"}};
};

// Which services the routes of this one lead to, and the routes of others that lead to it.
struct Neighbours {
  std::set<std::string> chosen;  // NAME.NAMESPACE
  std::string chosen_by;         // "post.default (httproute/post), ..."
};

Neighbours NeighboursOf(const std::string& own, const Json& policies) {
  Neighbours found;
  for (const Json& policy : policies) {
    const std::vector<std::string> parents = ParentsOf(policy);
    const std::vector<std::string> backends = BackendsOf(policy);
    const auto has_own = [&own](const std::vector<std::string>& services) {
      return std::find(services.begin(), services.end(), own) != services.end();
    };
    if (has_own(parents)) {
      found.chosen.insert(backends.begin(), backends.end());
    } else if (has_own(backends)) {
      const std::string route =
          ShortName(TextAt(policy, "/kind"), TextAt(policy, "/metadata/name"));
      for (const std::string& parent : parents)
        found.chosen_by += (found.chosen_by.empty() ? "" : ", ") + parent + " (" + route + ")";
    }
  }
  found.chosen.erase(own);
  return found;
}

absl::StatusOr<std::map<std::string, Json>> ReadProxies(Session& session) {
  const auto all = session.Get("/v1/proxies");
  if (!all.ok()) return all.status();
  std::map<std::string, Json> proxies;
  for (const Json& proxy : PartAt(*all, "/items")) proxies[TextAt(proxy, "/name")] = proxy;
  return proxies;
}

absl::StatusOr<int> DescribeFound(Session& session, const Json& service) {
  const auto proxies = ReadProxies(session);
  if (!proxies.ok()) return proxies.status();
  const auto known = ReadProblems(session);
  if (!known.ok()) return known.status();
  const auto policies = ListPolicies(session, {Selected{}}, "");
  if (!policies.ok()) return policies.status();
  const TrafficName name{TextAt(service, "/namespace"), TextAt(service, "/name")};

  Description description(session);
  AddHead(service, &description);
  EndpointTable endpoints(*proxies, *known, session.environment.now(), &description);
  for (const Json& port : PartAt(service, "/ports")) endpoints.AddPort(port);
  description.AddTable("Endpoints", endpoints.table());
  AddPolicies(*policies, {name}, *known, &description);
  const Neighbours neighbours = NeighboursOf(NameText(name), *policies);
  if (!neighbours.chosen_by.empty()) {
    description.AddText("Routes of other services that lead to this one: " + neighbours.chosen_by +
                        "\nThe policies of those services apply to what is called by their "
                        "names.\n");
  }
  const absl::Status added = description.AddTraffic(
      neighbours.chosen.empty()
          ? "Traffic of the last minute"
          : "Traffic of the last minute, also to the services that its routes choose",
      [&](const TrafficLink& link) {
        return link.service == name || neighbours.chosen.contains(NameText(link.service));
      });
  if (!added.ok()) return added;
  return description.Finish();
}

}  // namespace

absl::StatusOr<int> DescribeService(Session& session, const std::string& name) {
  const std::string ns = session.Namespace();
  const auto reply = session.Get("/v1/services", {{"namespace", ns}});
  if (!reply.ok()) return reply.status();
  for (const Json& service : PartAt(*reply, "/items")) {
    if (TextAt(service, "/name") == name) return DescribeFound(session, service);
  }
  return UserError("service " + name + " not found in namespace " + ns,
                   "list services with `tullectl services -A`");
}

}  // namespace tulle::cli
