#include "control-plane/snapshot/owners.h"

#include "control-plane/snapshot/route_limits.h"

namespace tulle::snapshot {
namespace {

using policy::Document;
using policy::ResiliencePolicy;
using policy::RouteRule;

const ResiliencePolicy* ResilienceIn(const Document* document) {
  return document == nullptr ? nullptr : std::get_if<ResiliencePolicy>(&document->spec);
}

// Of one route. The rule's own word wins over the ResiliencePolicy.
class RouteOwners {
 public:
  RouteOwners(const policy::RankedMatch* match, const Document* resilience,
              envoy::config::route::v3::Route* route)
      : match_(match), resilience_(resilience), route_(route) {}

  const RouteRule* rule() const { return match_ == nullptr ? nullptr : match_->rule; }
  const ResiliencePolicy* policy() const { return ResilienceIn(resilience_); }
  void SetByRule(const char* cause, const std::string& field) {
    SetOwner(cause, *match_->document,
             "spec.rules[" + std::to_string(match_->rule_index) + "]." + field,
             route_->mutable_metadata());
  }
  void SetByPolicy(const char* cause, const char* field) {
    SetOwner(cause, *resilience_, field, route_->mutable_metadata());
  }
  void SetRequest() {
    if (rule() != nullptr && rule()->request_timeout) {
      SetByRule("request_timeout", "timeouts.request");
    } else if (policy() != nullptr && policy()->timeouts.request) {
      SetByPolicy("request_timeout", "spec.timeouts.request");
    }
  }
  void SetPerTry(const char* cause) {
    if (rule() != nullptr && rule()->backend_request_timeout) {
      SetByRule(cause, "timeouts.backendRequest");
    } else if (policy() != nullptr && policy()->timeouts.per_try) {
      SetByPolicy(cause, "spec.timeouts.perTry");
    }
  }
  void SetRetries() {
    if (rule() != nullptr && rule()->retry && rule()->retry->attempts) {
      SetByRule("retries", "retry.attempts");
    } else if (policy() != nullptr && policy()->retries.attempts) {
      SetByPolicy("retries", "spec.retries.attempts");
    }
  }

 private:
  const policy::RankedMatch* const match_;
  const Document* const resilience_;
  envoy::config::route::v3::Route* const route_;
};

bool HasOwnLimits(const policy::LimitPolicy& limits) {
  return limits.max_connections || limits.max_pending_requests || limits.max_requests;
}

}  // namespace

void SetOwner(const std::string& cause, const Document& document, std::string_view field,
              envoy::config::core::v3::Metadata* metadata) {
  auto& own = *(*metadata->mutable_filter_metadata())["tulle"].mutable_fields();
  auto& owners = *own["owners"].mutable_struct_value()->mutable_fields();
  owners[cause].set_string_value(std::string(policy::ToText(document.key.kind)) + " " +
                                 document.key.ns + "/" + document.key.name + " " +
                                 std::string(field));
}

void SetRouteOwners(const policy::RankedMatch* match, const Document* resilience,
                    envoy::config::route::v3::Route* route) {
  if (!route->has_route()) return;
  RouteOwners owners(match, resilience, route);
  static const ResiliencePolicy kNone;
  const ResiliencePolicy& policy = owners.policy() == nullptr ? kNone : *owners.policy();
  if (TryBoundsRequest(owners.rule(), policy)) {
    owners.SetPerTry("request_timeout");
  } else {
    owners.SetRequest();
  }
  if (route->route().retry_policy().has_per_try_timeout()) owners.SetPerTry("per_try_timeout");
  owners.SetRetries();
  if (policy.timeouts.idle) owners.SetByPolicy("stream_idle_timeout", "spec.timeouts.idle");
}

void SetClusterOwners(const Document* resilience, envoy::config::cluster::v3::Cluster* cluster) {
  const ResiliencePolicy* policy = ResilienceIn(resilience);
  if (policy == nullptr) return;
  const auto set = [&](const char* cause, bool is_set, const char* field) {
    if (is_set) SetOwner(cause, *resilience, field, cluster->mutable_metadata());
  };
  set("overflow", HasOwnLimits(policy->limits), "spec.limits");
  static const policy::BreakerPolicy kNoBreaker;
  set("breaker_open", policy->breaker != kNoBreaker, "spec.breaker");
  set("no_healthy_endpoint", policy->health_check.has_value(), "spec.healthCheck");
  set("connect_timeout", policy->timeouts.connect.has_value(), "spec.timeouts.connect");
}

}  // namespace tulle::snapshot
