// What the control plane reports of traffic (GET /v1/traffic), as the commands show it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/cli/json_text.h"
#include "control-plane/insight/traffic.h"

namespace tulle::cli {

// A workload, or a service, with its namespace. Empty namespace: of a host outside the mesh.
struct TrafficName {
  std::string ns;
  std::string name;  // empty: unknown

  auto operator<=>(const TrafficName&) const = default;
};

struct TrafficLink {
  TrafficName source;
  TrafficName service;
  std::vector<std::string> identities;  // SPIFFE IDs of the workloads that were reached
  TrafficName backend;                  // that the route has chosen; of the report by route alone
  std::string route;
  bool is_tcp = false;
  uint64_t mutual_tls = 0;  // of the requests, or of the connections
  insight::Traffic traffic;
};

// Which of them are wanted; all that is set must match.
struct TrafficSelection {
  std::string service;  // NAME, NAME.NAMESPACE or a host
  std::string caller;   // ACCOUNT.NAMESPACE, a SPIFFE ID, or "unknown"
  std::string ns;       // of the service, or of the caller if `or_caller`
  bool or_caller = false;

  // A link of the reply.
  bool Selects(const Json& link) const;
};

// Invalid parts are left out.
std::vector<TrafficLink> ReadLinks(const Json& reply);

// By service, the callers added up; TCP and HTTP apart. `callers` counts the links.
struct ServiceTraffic {
  TrafficName service;
  bool is_tcp = false;
  size_t callers = 0;
  uint64_t mutual_tls = 0;
  insight::Traffic traffic;
};
std::vector<ServiceTraffic> ByService(const std::vector<TrafficLink>& links);

// By service, route and backend, the callers added up. Of the report by route.
struct RouteTraffic {
  TrafficName service;
  std::string route;
  TrafficName backend;
  size_t callers = 0;
  uint64_t mutual_tls = 0;
  insight::Traffic traffic;
};
std::vector<RouteTraffic> ByRoute(const std::vector<TrafficLink>& links);

// "cart.shop"; "unknown".
std::string ShownName(const TrafficName& name);
// "cart.shop": of the called side, by its certificates; several with commas. "-": not known.
std::string IdentitiesText(const TrafficLink& link);
// "12.5"; "0.02".
std::string RateText(uint64_t count, int64_t seconds);
// "99.83%"; "-": there were no requests or connections. Rounded down: 100 % means that none failed.
std::string SuccessText(const insight::Traffic& traffic);
// "0.4ms", "12ms", "1.2s"; "-": there were no requests.
std::string LatencyText(const insight::Traffic& traffic, double share);
// "yes", "no", or the share that is: "87%".
std::string SecuredText(uint64_t mutual_tls, uint64_t all);
// The most frequent failure and the most frequent refusal or client error: "503 UH (12), 403 UAEX
// (30)". Of TCP: "2 failed, 1 denied". Empty: there were none.
std::string ErrorsText(const insight::Traffic& traffic);
// Connections that a policy has denied, and requests that were denied or limited: by a policy, or
// with its status (403, 429) by the application.
uint64_t RefusedIn(const insight::Traffic& traffic);

}  // namespace tulle::cli
