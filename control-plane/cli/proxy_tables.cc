#include "control-plane/cli/proxy_tables.h"

#include <vector>

namespace tulle::cli {
namespace {

using Rows = void (*)(const Json& resource, const std::string& last, Table* table);

struct Part {
  const char* name;
  std::vector<std::string> headers;
  Rows add_rows;
};

void AddListener(const Json& listener, const std::string& last, Table* table) {
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
                 TextAt(listener, "/traffic_direction"), filters, last});
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

void AddRoutes(const Json& configuration, const std::string& last, Table* table) {
  for (const Json& host : PartAt(configuration, "/virtual_hosts")) {
    const Json& domains = PartAt(host, "/domains");
    std::string domain = domains.empty() ? "" : TextAt(domains[0], "");
    if (domains.size() > 1) domain += " +" + std::to_string(domains.size() - 1);
    for (const Json& route : PartAt(host, "/routes")) {
      table->AddRow(
          {TextAt(configuration, "/name"), domain, MatchOf(route), ActionOf(route), last});
    }
  }
}

void AddCluster(const Json& cluster, const std::string& last, Table* table) {
  const bool is_tls =
      cluster.contains("transport_socket") || cluster.contains("transport_socket_matches");
  const std::string type = TextAt(cluster, "/type");
  const std::string policy = TextAt(cluster, "/lb_policy");
  table->AddRow({TextAt(cluster, "/name"), type.empty() ? "STATIC" : type,
                 policy.empty() ? "ROUND_ROBIN" : policy, is_tls ? "mTLS" : "no", last});
}

void AddEndpoints(const Json& assignment, const std::string& last, Table* table) {
  for (const Json& locality : PartAt(assignment, "/endpoints")) {
    for (const Json& endpoint : PartAt(locality, "/lb_endpoints")) {
      const std::string health = TextAt(endpoint, "/health_status");
      const std::string weight = TextAt(endpoint, "/load_balancing_weight");
      const std::string open = TextAt(endpoint, kOpenBreaker);
      table->AddRow({TextAt(assignment, "/cluster_name"), AddressOf(endpoint, "/endpoint/address"),
                     !open.empty()                           ? "BREAKER OPEN"
                     : health.empty() || health == "UNKNOWN" ? "HEALTHY"
                                                             : health,
                     weight.empty() ? "1" : weight, last},
                    open.empty() ? "" : "circuit breaker open " + open);
    }
  }
}

void AddSecret(const Json& secret, const std::string& last, Table* table) {
  const bool is_roots = secret.contains("validation_context");
  table->AddRow({TextAt(secret, "/name"), is_roots ? "trusted roots" : "certificate", last});
}

const Part* FindPart(std::string_view name) {
  static const Part kParts[] = {
      {"listeners", {"NAME", "ADDRESS", "DIRECTION", "FILTERS"}, AddListener},
      {"routes", {"NAME", "DOMAIN", "MATCH", "CLUSTER"}, AddRoutes},
      {"clusters", {"NAME", "TYPE", "BALANCING", "TLS"}, AddCluster},
      {"endpoints", {"CLUSTER", "ENDPOINT", "HEALTH", "WEIGHT"}, AddEndpoints},
      {"secrets", {"NAME", "TYPE"}, AddSecret},
  };
  for (const Part& part : kParts) {
    if (name == part.name) return &part;
  }
  return nullptr;
}

}  // namespace

Table ProxyTable(std::string_view part, const std::string& last) {
  std::vector<std::string> headers = FindPart(part)->headers;
  headers.push_back(last);
  return Table(headers);
}

void AddResource(std::string_view part, const Json& resource, const std::string& last,
                 Table* table) {
  FindPart(part)->add_rows(resource, last, table);
}

std::string AddressOf(const Json& json, const std::string& at) {
  const std::string address = TextAt(json, at + "/socket_address/address");
  const std::string port = TextAt(json, at + "/socket_address/port_value");
  if (port.empty()) return address;
  return (address.find(':') == std::string::npos ? address : "[" + address + "]") + ":" + port;
}

}  // namespace tulle::cli
