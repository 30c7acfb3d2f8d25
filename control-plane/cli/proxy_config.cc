#include <map>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

// Resources as the API shows them: xDS v3 in JSON with the fields' own names.
namespace tulle::cli {
namespace {

using Rows = void (*)(const Json& resource, const std::string& version, Table* table);

struct Part {
  const char* name;
  std::vector<std::string> headers;
  Rows add_rows;
};

// Added to the endpoints that the proxy leaves out: for how long, and why.
constexpr char kOpenBreaker[] = "/open_breaker";

std::string AddressOf(const Json& json, const std::string& at) {
  const std::string address = TextAt(json, at + "/socket_address/address");
  const std::string port = TextAt(json, at + "/socket_address/port_value");
  if (port.empty()) return address;
  return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + port;
}

// The endpoints of a proxy, with what it says of its circuit breakers. Several clusters of a
// service share its endpoints, under the name of the first.
void MarkBreakers(const Json& proxy, int64_t now, Json* items) {
  std::map<std::string, std::string> open;  // by name of the endpoints, and address
  for (const Json& breaker : PartAt(proxy, "/openBreakers")) {
    const std::string name =
        NumberAt(breaker, "/port") == 0
            ? TextAt(breaker, "/cluster")
            : "outbound|" + TextAt(breaker, "/port") + "||" + TextAt(breaker, "/host");
    open[name + " " + TextAt(breaker, "/endpoint")] = OpenSince(breaker, now);
  }
  if (open.empty()) return;
  for (Json& item : *items) {
    for (Json& locality : item["resource"]["endpoints"]) {
      for (Json& endpoint : locality["lb_endpoints"]) {
        const auto found =
            open.find(TextAt(item, "/name") + " " + AddressOf(endpoint, "/endpoint/address"));
        if (found != open.end()) endpoint[Json::json_pointer(kOpenBreaker)] = found->second;
      }
    }
  }
}

void AddListener(const Json& listener, const std::string& version, Table* table) {
  std::string filters;
  for (const Json& chain : PartAt(listener, "/filter_chains")) {
    const bool is_tls = chain.contains("transport_socket");
    for (const Json& filter : PartAt(chain, "/filters")) {
      const std::string name = TextAt(filter, "/name");
      filters +=
          (filters.empty() ? "" : ",") + name.substr(name.rfind('.') + 1) + (is_tls ? "(tls)" : "");
    }
  }
  table->AddRow({TextAt(listener, "/name"), AddressOf(listener, "/address"),
                 TextAt(listener, "/traffic_direction"), filters, version});
}

std::string MatchOf(const Json& route) {
  if (route.contains("/match/connect_matcher"_json_pointer)) return "CONNECT";
  for (const char* kind : {"path", "prefix", "path_separated_prefix"}) {
    const std::string text = TextAt(route, std::string("/match/") + kind);
    if (!text.empty()) return std::string(kind) == "path" ? "=" + text : text + "*";
  }
  const std::string regex = TextAt(route, "/match/safe_regex/regex");
  return regex.empty() ? "" : "~" + regex;
}

std::string ActionOf(const Json& route) {
  const std::string cluster = TextAt(route, "/route/cluster");
  if (!cluster.empty()) return cluster;
  std::string text;
  for (const Json& each : PartAt(route, "/route/weighted_clusters/clusters")) {
    text += (text.empty() ? "" : ",") + TextAt(each, "/name") + "=" + TextAt(each, "/weight");
  }
  if (!text.empty()) return text;
  const std::string status = TextAt(route, "/direct_response/status");
  return status.empty() ? "" : "answers " + status;
}

void AddRoutes(const Json& configuration, const std::string& version, Table* table) {
  for (const Json& host : PartAt(configuration, "/virtual_hosts")) {
    const Json& domains = PartAt(host, "/domains");
    std::string domain = domains.empty() ? "" : TextAt(domains[0], "");
    if (domains.size() > 1) domain += " +" + std::to_string(domains.size() - 1);
    for (const Json& route : PartAt(host, "/routes")) {
      table->AddRow(
          {TextAt(configuration, "/name"), domain, MatchOf(route), ActionOf(route), version});
    }
  }
}

void AddCluster(const Json& cluster, const std::string& version, Table* table) {
  const bool is_tls =
      cluster.contains("transport_socket") || cluster.contains("transport_socket_matches");
  const std::string type = TextAt(cluster, "/type");
  const std::string policy = TextAt(cluster, "/lb_policy");
  table->AddRow({TextAt(cluster, "/name"), type.empty() ? "STATIC" : type,
                 policy.empty() ? "ROUND_ROBIN" : policy, is_tls ? "mTLS" : "no", version});
}

void AddEndpoints(const Json& assignment, const std::string& version, Table* table) {
  for (const Json& locality : PartAt(assignment, "/endpoints")) {
    for (const Json& endpoint : PartAt(locality, "/lb_endpoints")) {
      const std::string health = TextAt(endpoint, "/health_status");
      const std::string weight = TextAt(endpoint, "/load_balancing_weight");
      const std::string open = TextAt(endpoint, kOpenBreaker);
      table->AddRow({TextAt(assignment, "/cluster_name"), AddressOf(endpoint, "/endpoint/address"),
                     !open.empty()                           ? "BREAKER OPEN"
                     : health.empty() || health == "UNKNOWN" ? "HEALTHY"
                                                             : health,
                     weight.empty() ? "1" : weight, version},
                    open.empty() ? "" : "circuit breaker open " + open);
    }
  }
}

void AddSecret(const Json& secret, const std::string& version, Table* table) {
  const bool is_roots = secret.contains("validation_context");
  table->AddRow({TextAt(secret, "/name"), is_roots ? "trusted roots" : "certificate", version});
}

const Part* FindPart(std::string_view name) {
  static const Part kParts[] = {
      {"listeners", {"NAME", "ADDRESS", "DIRECTION", "FILTERS", "VERSION"}, AddListener},
      {"routes", {"NAME", "DOMAIN", "MATCH", "CLUSTER", "VERSION"}, AddRoutes},
      {"clusters", {"NAME", "TYPE", "BALANCING", "TLS", "VERSION"}, AddCluster},
      {"endpoints", {"CLUSTER", "ENDPOINT", "HEALTH", "WEIGHT", "VERSION"}, AddEndpoints},
      {"secrets", {"NAME", "TYPE", "VERSION"}, AddSecret},
  };
  for (const Part& part : kParts) {
    if (name == part.name) return &part;
  }
  return nullptr;
}

void PrintPart(Session& session, const std::string& proxy, const Part& part, const Json& items) {
  Table table(part.headers);
  for (const Json& item : items) {
    if (session.invocation.format == Format::kName) {
      session.out() << TextAt(item, "/name") << "\n";
    }
    part.add_rows(PartAt(item, "/resource"), TextAt(item, "/version").substr(0, kShownVersion),
                  &table);
  }
  if (table.empty()) {
    session.err() << proxy << " has no " << part.name
                  << " (a sidecar receives those of a Service when the Service is first called).\n";
  } else if (session.invocation.format != Format::kName) {
    session.Show(table);
  }
}

// What the proxy says itself, in its own words.
absl::StatusOr<int> ShowLive(Session& session, const std::string& proxy,
                             const std::vector<std::string_view>& parts) {
  Json all;
  for (const std::string_view part : parts) {
    const auto reply = session.Get(ItemPath("/v1/proxies", proxy) + "/live/" + std::string(part));
    if (!reply.ok()) return reply.status();
    all[std::string(part)] = PartAt(*reply, "/config");
  }
  const Format format = session.wants_json() ? session.invocation.format : Format::kYaml;
  PrintJson(parts.size() == 1 ? all.begin().value() : all, format, session.out());
  return 0;
}

}  // namespace

absl::StatusOr<int> ProxyConfig(Session& session) {
  const Invocation& wanted = session.invocation;
  std::vector<std::string_view> parts(kProxyParts.begin(), kProxyParts.end());
  if (!wanted.part.empty() && wanted.part != "all") {
    parts = {ProxyPartNamed(wanted.part)};
    if (parts[0].empty()) {
      return UserError("unknown part \"" + wanted.part + "\" of a proxy's configuration",
                       "known parts: listeners, routes, clusters, endpoints, secrets");
    }
  }
  const auto proxy = FindProxy(session, wanted.name);
  if (!proxy.ok()) return proxy.status();
  const std::string name = TextAt(*proxy, "/name");
  if (wanted.is_live) return ShowLive(session, name, parts);
  Json all;
  for (const std::string_view part : parts) {
    const auto reply = session.Get(ItemPath("/v1/proxies", name) + "/config/" + std::string(part));
    if (!reply.ok()) return reply.status();
    if (session.wants_json()) {
      all[std::string(part)] = PartAt(*reply, "/items");
      if (parts.size() == 1) all = *reply;
      continue;
    }
    if (part != parts.front()) session.out() << "\n";
    Json items = PartAt(*reply, "/items");
    if (part == "endpoints") MarkBreakers(*proxy, session.environment.now(), &items);
    PrintPart(session, ShownName(*proxy), *FindPart(part), items);
  }
  if (session.wants_json()) PrintJson(all, wanted.format, session.out());
  return 0;
}

}  // namespace tulle::cli
