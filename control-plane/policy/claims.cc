#include "control-plane/policy/claims.h"

#include <utility>
#include <variant>

namespace tulle::policy {
namespace {

void ClaimHosts(const std::vector<std::string>& hosts, const std::string& group,
                std::vector<Claim>* claims) {
  for (const std::string& host : hosts) claims->push_back({"the host name " + host, group});
}

// Routes are merged, but a host name leads to one Service.
std::string GroupOf(const Route& route) {
  if (route.parents.empty()) return "";
  const ServiceName& parent = route.parents[0].service;
  return parent.ns + "/" + parent.name;
}

}  // namespace

std::vector<Claim> ClaimsOf(const Document& document) {
  std::vector<Claim> claims;
  const auto claim = [&claims](std::string text) { claims.push_back({std::move(text), ""}); };
  if (const Route* route = RouteIn(document)) {
    ClaimHosts(route->hostnames, GroupOf(*route), &claims);
  } else if (const auto* resilience = std::get_if<ResiliencePolicy>(&document.spec)) {
    claim("the resilience of " + ToText(resilience->target));
  } else if (const auto* peer = std::get_if<PeerAuthentication>(&document.spec)) {
    claim("the mTLS mode of " + ToText(peer->target));
  } else if (const auto* telemetry = std::get_if<TelemetryPolicy>(&document.spec)) {
    claim("the telemetry of " + ToText(telemetry->target));
  } else if (const auto* egress = std::get_if<EgressPolicy>(&document.spec)) {
    claim("the unknown destinations of " + ToText(egress->target));
  } else if (const auto* external = std::get_if<ExternalService>(&document.spec)) {
    ClaimHosts(external->hosts, "", &claims);
  }
  return claims;
}

}  // namespace tulle::policy
