#include "sidecar/config/references.h"

#include <span>
#include <variant>

#include "sidecar/route/route_table.h"

namespace tulle::config {
namespace {

template <typename Visitor>
void ForEachChain(const ListenerSpec& listener, Visitor visit) {
  for (const auto& chain : listener.chains) visit(*chain);
  if (listener.default_chain != nullptr) visit(*listener.default_chain);
}

template <typename Visitor>
void ForEachHttpChain(const ListenerSpec& listener, Visitor visit) {
  ForEachChain(listener, [&](const FilterChainSpec& chain) {
    if (const auto* http = std::get_if<HttpSpec>(&chain.proxy)) visit(*http);
  });
}

std::span<const AccessLogSpec> AccessLogsOf(const FilterChainSpec& chain) {
  if (const auto* http = std::get_if<HttpSpec>(&chain.proxy)) return http->access_logs;
  return std::get<TcpSpec>(chain.proxy).access_logs;
}

}  // namespace

void AddClustersOf(const ListenerSpec& listener, std::set<std::string>& names) {
  ForEachChain(listener, [&](const FilterChainSpec& chain) {
    if (const auto* tcp = std::get_if<TcpSpec>(&chain.proxy)) {
      for (const auto& [name, weight] : tcp->clusters) names.insert(name);
    } else if (const auto& routes = std::get<HttpSpec>(chain.proxy).routes; routes != nullptr) {
      names.insert(routes->clusters().begin(), routes->clusters().end());
    }
  });
}

void AddCollectorsOf(const ListenerSpec& listener, std::set<std::string>& names) {
  ForEachHttpChain(listener, [&](const HttpSpec& http) {
    if (http.tracing != nullptr && http.tracing->collector != nullptr)
      names.insert(http.tracing->collector->cluster);
  });
  ForEachChain(listener, [&](const FilterChainSpec& chain) {
    for (const AccessLogSpec& log : AccessLogsOf(chain)) {
      if (log.collector != nullptr) names.insert(log.collector->cluster);
    }
  });
}

void AddRoutesOf(const ListenerSpec& listener, std::set<std::string>& names) {
  ForEachHttpChain(listener, [&](const HttpSpec& http) {
    if (!http.rds_name.empty()) names.insert(http.rds_name);
  });
}

}  // namespace tulle::config
