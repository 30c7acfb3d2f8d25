#include <algorithm>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// HOST:PORT of the service whose endpoint it is.
std::string ServiceOf(const Json& breaker) {
  const int64_t port = NumberAt(breaker, "/port");
  return TextAt(breaker, "/host") + (port == 0 ? "" : ":" + std::to_string(port));
}

std::string Shortened(const std::string& version) { return version.substr(0, kShownVersion); }

// Of one type of resources.
std::string StateOf(const Json& type) {
  if (!TextAt(type, "/rejection").empty()) return "REJECTED";
  return TextAt(type, "/sentVersion") == TextAt(type, "/acknowledgedVersion") ? "SYNCED" : "STALE";
}

std::string ConnectedOf(const Json& proxy, int64_t now) {
  if (!TrueAt(proxy, "/connected")) return "no";
  const int64_t since = NumberAt(proxy, "/connectedSince");
  return since > 0 ? FormatAge(now - since) : "yes";
}

constexpr size_t kMostBreakers = 3;  // below a row
constexpr size_t kMostAlike = 10;    // proxies that a prefix may mean

// "circuit breaker open for HOST:PORT at 10.0.0.3:8080 (for 2m, connection refused)".
std::string BreakersOf(const Json& proxy, int64_t now) {
  const int64_t count = NumberAt(proxy, "/openBreakerCount");
  std::string text;
  int64_t shown = 0;
  for (const Json& breaker : PartAt(proxy, "/openBreakers")) {
    if (shown == kMostBreakers) break;
    ++shown;
    text += (text.empty() ? "circuit breaker open for " : "; ") + ServiceOf(breaker) + " at " +
            TextAt(breaker, "/endpoint") + " (" + OpenSince(breaker, now) + ")";
  }
  if (text.empty()) return count == 0 ? "" : std::to_string(count) + " circuit breakers open";
  return count > shown ? text + "; and " + std::to_string(count - shown) + " more" : text;
}

// A sentence, and perhaps a long one: not for a column.
std::string ReasonOf(const Json& rejected) {
  const std::string reason = TextAt(rejected, "/rejection");
  if (!reason.empty()) return "reason: " + reason;
  std::string problems;
  for (const Json& problem : PartAt(rejected, "/problems"))
    problems += (problems.empty() ? "reason: " : "; ") + TextAt(problem, "");
  return problems;
}

// Those of the namespace that was asked for, by the names that are shown.
Json ProxiesOf(const Json& proxies, const std::string& ns) {
  Json selected = Json::array();
  for (const Json& proxy : proxies) {
    if (ns.empty() || TextAt(proxy, "/spiffeId").find("/ns/" + ns + "/") != std::string::npos)
      selected.push_back(proxy);
  }
  auto& array = selected.get_ref<Json::array_t&>();
  std::stable_sort(array.begin(), array.end(), [](const Json& one, const Json& other) {
    return ShownName(one) < ShownName(other);
  });
  return selected;
}

void PrintProxies(Session& session, const Json& items) {
  const bool is_wide = session.invocation.format == Format::kWide;
  const int64_t now = session.environment.now();
  std::vector<std::string> headers = {"PROXY", "CONNECTED", "CONFIGURATION", "ACKNOWLEDGED",
                                      "CERT EXPIRES"};
  if (is_wide) headers.insert(headers.end(), {"PROGRAM", "ADDRESS", "IDENTITY", "ID"});
  Table table(headers);
  for (const Json& proxy : items) {
    std::vector<std::string> row = {
        ShownName(proxy), ConnectedOf(proxy, now), ConfigurationOf(proxy),
        Shortened(TextAt(proxy, "/acknowledgedVersion")), CertificateText(proxy, now)};
    if (is_wide) {
      row.insert(row.end(), {TextAt(proxy, "/program"), TextAt(proxy, "/address"),
                             TextAt(proxy, "/spiffeId"), TextAt(proxy, "/name")});
    }
    const std::string reason = ReasonOf(proxy);
    const std::string breakers = BreakersOf(proxy, now);
    table.AddRow(std::move(row),
                 reason + (reason.empty() || breakers.empty() ? "" : "; ") + breakers);
  }
  session.Show(table);
}

void PrintBreakers(Session& session, const Json& proxy) {
  const int64_t now = session.environment.now();
  Table table({"CIRCUIT BREAKER", "ENDPOINT", "OPEN FOR", "REASON"});
  for (const Json& breaker : PartAt(proxy, "/openBreakers")) {
    table.AddRow({ServiceOf(breaker), TextAt(breaker, "/endpoint"),
                  FormatAge(now - NumberAt(breaker, "/since")), TextAt(breaker, "/reason")});
  }
  if (table.empty()) return;
  session.out() << "\n";
  session.Show(table);
}

void PrintTypes(Session& session, const Json& proxy) {
  Table table({"TYPE", "STATE", "SENT", "ACKNOWLEDGED", "REJECTED"});
  for (const Json& type : PartAt(proxy, "/types")) {
    table.AddRow(
        {TextAt(type, "/type"), StateOf(type), Shortened(TextAt(type, "/sentVersion")),
         Shortened(TextAt(type, "/acknowledgedVersion")), TextAt(type, "/rejectedResource")},
        ReasonOf(type));
  }
  if (table.empty()) return;
  session.out() << "\n";
  session.Show(table);
}

struct EndpointCount {
  size_t healthy = 0;
  size_t all = 0;
};

EndpointCount CountEndpoints(const Json& port) {
  EndpointCount count;
  for (const Json& endpoint : PartAt(port, "/endpoints")) {
    ++count.all;
    if (TextAt(endpoint, "/health") == "healthy") ++count.healthy;
  }
  return count;
}

// Endpoints that some proxies leave out, with those proxies.
std::string BreakersOfService(const Json& service, int64_t now) {
  std::string text;
  for (const Json& port : PartAt(service, "/ports")) {
    for (const Json& endpoint : PartAt(port, "/endpoints")) {
      const Json& open = PartAt(endpoint, "/openBreakers");
      if (open.empty()) continue;
      std::string proxies;
      for (const Json& proxy : PartAt(open, "/proxies"))
        proxies += (proxies.empty() ? "" : ", ") + TextAt(proxy, "");
      const int64_t more =
          NumberAt(open, "/count") - static_cast<int64_t>(PartAt(open, "/proxies").size());
      text += (text.empty() ? "circuit breaker open for " : "; ") + TextAt(endpoint, "/address") +
              ":" + TextAt(endpoint, "/port") + " in " + proxies +
              (more > 0 ? " and " + std::to_string(more) + " more" : "") + " (" +
              OpenSince(open, now) + ")";
    }
  }
  return text;
}

void AddService(const Json& service, const Invocation& wanted, int64_t now, Table* table) {
  std::string ports;
  std::string endpoints;
  for (const Json& port : PartAt(service, "/ports")) {
    const EndpointCount count = CountEndpoints(port);
    ports += (ports.empty() ? "" : ",") + TextAt(port, "/number") + "/" + TextAt(port, "/protocol");
    endpoints += (endpoints.empty() ? "" : ",") + std::to_string(count.healthy) + "/" +
                 std::to_string(count.all);
  }
  std::vector<std::string> row = {TextAt(service, "/name"), ports, endpoints,
                                  TextAt(service, "/host")};
  if (wanted.all_namespaces) row.insert(row.begin(), TextAt(service, "/namespace"));
  if (wanted.format == Format::kWide) {
    std::string identities;
    for (const Json& identity : PartAt(service, "/identities")) {
      identities += (identities.empty() ? "" : ",") + TextAt(identity, "");
    }
    row.push_back(identities);
  }
  table->AddRow(std::move(row), BreakersOfService(service, now));
}

}  // namespace

std::string ConfigurationOf(const Json& proxy) {
  std::string stale;
  std::string rejected;
  for (const Json& type : PartAt(proxy, "/types")) {
    const std::string state = StateOf(type);
    std::string& list = state == "REJECTED" ? rejected : stale;
    if (state != "SYNCED") list += (list.empty() ? "" : ",") + TextAt(type, "/type");
  }
  if (!rejected.empty()) return "REJECTED (" + rejected + ")";
  if (!PartAt(proxy, "/problems").empty()) return "NOT IN FORCE";
  if (!stale.empty()) return "STALE (" + stale + ")";
  if (!TrueAt(proxy, "/connected")) return "UNKNOWN";
  return PartAt(proxy, "/types").empty() ? "NOT SENT" : "SYNCED";
}

std::string OpenSince(const Json& breaker, int64_t now) {
  return "for " + FormatAge(now - NumberAt(breaker, "/since")) + ", " + TextAt(breaker, "/reason");
}

std::string ShownName(const Json& proxy) {
  const std::string pod = TextAt(proxy, "/pod");
  if (pod.empty()) return TextAt(proxy, "/name");
  const size_t slash = pod.find('/');
  return pod.substr(slash + 1) + "." + pod.substr(0, slash);
}

std::string CertificateText(const Json& proxy, int64_t now) {
  const int64_t end = NumberAt(proxy, "/certificateNotAfter");
  if (end <= 0) return "";
  return end > now ? "in " + FormatAge(end - now) : "EXPIRED " + FormatAge(now - end) + " ago";
}

absl::StatusOr<Json> FindNamed(const Json& items, const std::string& name, const std::string& ns,
                               const NamedKind& kind) {
  std::vector<const Json*> alike;
  std::string names;
  for (const Json& item : items) {
    const std::string its_name = TextAt(item, "/name");
    const std::string shown = ShownName(item);
    const std::string pod = TextAt(item, "/pod");
    const bool is_pod = !pod.empty() && (pod == name || (!ns.empty() && pod.ends_with("/" + name)));
    if (its_name == name || shown == name || is_pod) return item;
    if (!its_name.starts_with(name) && !shown.starts_with(name)) continue;
    alike.push_back(&item);
    if (alike.size() <= kMostAlike) names += (names.empty() ? "" : ", ") + shown;
  }
  if (alike.size() == 1) return *alike[0];
  if (alike.size() > kMostAlike)
    names += ", and " + std::to_string(alike.size() - kMostAlike) + " more";
  if (!alike.empty()) {
    return UserError("ambiguous name " + name + ": several " + kind.plural + " match",
                     "use one of " + names);
  }
  return UserError(kind.singular + " " + name + " not found", kind.hint);
}

absl::StatusOr<Json> FindProxy(Session& session, const std::string& name) {
  const auto all = session.Get("/v1/proxies");
  if (!all.ok()) return all.status();
  const std::string& ns = session.invocation.ns;
  return FindNamed(ProxiesOf(PartAt(*all, "/items"), ns), name, ns,
                   {"proxy", "proxies", "list proxies with `tullectl status`"});
}

absl::StatusOr<int> Status(Session& session) {
  return ShowProxies(session, session.invocation.name);
}

absl::StatusOr<int> Services(Session& session) {
  return ShowServices(session, session.invocation.name);
}

absl::StatusOr<int> ShowProxies(Session& session, const std::string& name) {
  const auto reply = name.empty() ? session.Get("/v1/proxies") : FindProxy(session, name);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  const Json items = name.empty() ? ProxiesOf(PartAt(*reply, "/items"), session.invocation.ns)
                                  : Json::array({*reply});
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  if (items.empty() && !session.invocation.ns.empty()) {
    session.err() << "No proxies found in " << session.invocation.ns << " namespace.\n";
    return 0;
  }
  if (items.empty() && *cluster != nullptr) {
    session.err() << "No proxies found. Pods get one when they are created in a namespace with the "
                     "label: `kubectl label namespace NAME tulle.dev/inject=enabled`.\n";
    return 0;
  }
  if (items.empty()) {
    const auto port = session.GrpcPort();
    if (!port.ok()) return port.status();
    session.err() << "No proxies found. Start one with `tulle-sidecar --control HOST:" << *port
                  << " --token-file FILE --state-dir DIR`.\n";
    return 0;
  }
  if (session.invocation.format == Format::kName) {
    for (const Json& proxy : items) session.out() << ShownName(proxy) << "\n";
    return 0;
  }
  PrintProxies(session, items);
  if (!name.empty()) {
    PrintTypes(session, *reply);
    PrintBreakers(session, *reply);
  }
  return 0;
}

absl::StatusOr<int> ShowServices(Session& session, const std::string& name) {
  const Invocation& wanted = session.invocation;
  Session::Query query;
  if (!wanted.all_namespaces) query["namespace"] = session.Namespace();
  const auto reply = session.Get("/v1/services", query);
  if (!reply.ok()) return reply.status();
  Json services = PartAt(*reply, "/items");
  if (!name.empty()) {
    std::erase_if(services.get_ref<Json::array_t&>(),
                  [&](const Json& service) { return TextAt(service, "/name") != name; });
  }
  if (services.empty() && !name.empty()) {
    return UserError("service " + name + " not found", "list services with `tullectl services -A`");
  }
  if (session.wants_json()) {
    const bool is_one = !name.empty() && services.size() == 1;
    PrintJson(is_one ? services[0] : Json({{"items", services}}), wanted.format, session.out());
    return 0;
  }
  std::vector<std::string> headers = {"NAME", "PORTS", "HEALTHY", "HOST"};
  if (wanted.all_namespaces) headers.insert(headers.begin(), "NAMESPACE");
  if (wanted.format == Format::kWide) headers.push_back("IDENTITIES");
  Table table(headers);
  for (const Json& service : services) {
    if (wanted.format == Format::kName)
      session.out() << "service/" << TextAt(service, "/name") << "\n";
    AddService(service, wanted, session.environment.now(), &table);
  }
  if (table.empty()) {
    session.err() << (wanted.all_namespaces
                          ? "No services found.\n"
                          : "No services found in " + session.Namespace() + " namespace.\n");
  } else if (wanted.format != Format::kName) {
    session.Show(table);
  }
  return 0;
}

}  // namespace tulle::cli
