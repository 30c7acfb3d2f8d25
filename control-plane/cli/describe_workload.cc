// `tullectl describe workload`: its identity, its proxy, the policies for it, its traffic, and what
// is wrong.

#include <algorithm>
#include <utility>

#include "certs/spiffe_id.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/description.h"

namespace tulle::cli {
namespace {

// ACCOUNT and namespace, as traffic names it.
TrafficName CallerOf(const Json& workload) {
  const auto id = certs::SpiffeId::Parse(TextAt(workload, "/spiffeId"));
  if (!id.ok() || !id->service_account()) return {};
  return {std::string(*id->namespace_name()), std::string(*id->service_account())};
}

// A service is NAME in the workload's own namespace, or NAMESPACE/NAME.
std::vector<TrafficName> ServedBy(const Json& workload) {
  std::vector<TrafficName> services;
  for (const Json& each : PartAt(workload, "/services")) {
    const std::string text = TextAt(each, "");
    const size_t slash = text.find('/');
    if (slash == std::string::npos) {
      services.push_back({TextAt(workload, "/namespace"), text});
    } else {
      services.push_back({text.substr(0, slash), text.substr(slash + 1)});
    }
  }
  return services;
}

void AddHead(const Json& workload, const std::vector<TrafficName>& services,
             Description* description) {
  description->AddLine("Name", ShownName(workload));
  description->AddLine("Namespace", TextAt(workload, "/namespace"));
  description->AddLine("Identity", TextAt(workload, "/spiffeId"));
  std::string names;
  for (const TrafficName& service : services)
    names += (names.empty() ? "" : ", ") + NameText(service);
  description->AddLine("Services", names);
  description->AddLine("Address", TextAt(workload, "/address"));
  description->AddLine("Locality", TextAt(workload, "/locality"));
  description->AddLine("Health", TextAt(workload, "/health"));
  if (TextAt(workload, "/health") == "unhealthy") {
    description->AddProblem(
        "the workload is unhealthy: callers do not use it until its health check passes");
  }
}

void AddPorts(const Json& workload, Description* description) {
  Table table({"SERVICE PORT", "APPLICATION PORT", "PROXY PORT", "PROTOCOL"});
  for (const Json& port : PartAt(workload, "/inbound")) {
    const std::string service_port = TextAt(port, "/servicePort");
    table.AddRow({service_port.empty() ? TextAt(port, "/applicationPort") : service_port,
                  TextAt(port, "/applicationPort"), TextAt(port, "/listenPort"),
                  TextAt(port, "/protocol")});
  }
  description->AddTable("Ports", table);
}

void AddProxy(Session& session, const Json& proxies, const Json& workload,
              const KnownProblems& known, Description* description) {
  const std::string id = TextAt(workload, "/name");
  for (const Json& proxy : proxies) {
    if (TextAt(proxy, "/name") != id) continue;
    description->AddLine("Proxy", TextAt(proxy, "/program"));
    description->AddLine("Connected", TrueAt(proxy, "/connected") ? "yes" : "no");
    description->AddLine("Configuration", ConfigurationOf(proxy));
    description->AddLine("Cert expires", CertificateText(proxy, session.environment.now()));
    for (const Json& breaker : PartAt(proxy, "/openBreakers")) {
      description->AddProblem("the circuit breaker for " + TextAt(breaker, "/host") + " at " +
                              TextAt(breaker, "/endpoint") + " is open (" +
                              OpenSince(breaker, session.environment.now()) + ")");
    }
    const auto found = known.of_proxy.find(id);
    if (found == known.of_proxy.end()) return;
    for (const std::string& problem : found->second) description->AddProblem(problem);
    return;
  }
  description->AddLine("Proxy", "");
  if (TrueAt(workload, "/meshed")) {
    description->AddProblem("its proxy has never been connected: see `tullectl check`");
  } else {
    description->AddProblem(
        "the workload has no sidecar: calls to it are in plaintext, and policies are not enforced "
        "there");
  }
}

}  // namespace

absl::StatusOr<int> DescribeWorkload(Session& session, const std::string& name) {
  const auto workload = FindWorkload(session, name);
  if (!workload.ok()) return workload.status();
  const auto proxies = session.Get("/v1/proxies");
  if (!proxies.ok()) return proxies.status();
  const auto known = ReadProblems(session);
  if (!known.ok()) return known.status();
  const auto policies = ListPolicies(session, {Selected{}}, "");
  if (!policies.ok()) return policies.status();

  std::vector<TrafficName> services = ServedBy(*workload);
  const TrafficName caller = CallerOf(*workload);
  Description description(session);
  AddHead(*workload, services, &description);
  AddProxy(session, PartAt(*proxies, "/items"), *workload, *known, &description);
  AddPorts(*workload, &description);
  // Policies of a namespace and of the mesh hold without a service, too.
  if (services.empty()) services.push_back({TextAt(*workload, "/namespace"), ""});
  AddPolicies(*policies, services, *known, &description);
  const absl::Status added = description.AddTraffic(
      "Traffic of the last minute, of all workloads of " +
          (caller.name.empty() ? "its services" : "account " + NameText(caller)),
      [&](const TrafficLink& link) {
        const bool is_called =
            std::find(services.begin(), services.end(), link.service) != services.end();
        return is_called || (!caller.name.empty() && link.source == caller);
      });
  if (!added.ok()) return added;
  return description.Finish();
}

}  // namespace tulle::cli
