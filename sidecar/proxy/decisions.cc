#include "sidecar/proxy/decisions.h"

#include <algorithm>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

std::string_view ReasonOf(route::Mismatch mismatch) {
  switch (mismatch) {
    case route::Mismatch::kNone:
      return "matches";
    case route::Mismatch::kPath:
      return "path does not match";
    case route::Mismatch::kHeader:
      return "headers do not match";
    case route::Mismatch::kQuery:
      return "query parameters do not match";
    case route::Mismatch::kGrpc:
      return "not a gRPC request";
    case route::Mismatch::kFraction:
      return "the route takes only a part of the requests";
  }
  return {};
}

std::string_view WhyNot(const upstream::Endpoint& endpoint, const upstream::ClusterSpec& cluster,
                        std::span<upstream::Endpoint* const> tried) {
  const std::string_view unusable = TextOf(endpoint.AvailabilityIn(cluster));
  if (!unusable.empty()) return unusable;
  if (std::find(tried.begin(), tried.end(), &endpoint) != tried.end()) return "tried before";
  return "not chosen by the load balancer";
}

}  // namespace

std::string_view TextOf(DecisionKind kind) {
  switch (kind) {
    case DecisionKind::kRoute:
      return "route";
    case DecisionKind::kAuthorization:
      return "authorization";
    case DecisionKind::kRateLimit:
      return "rate limit";
    case DecisionKind::kFault:
      return "fault";
    case DecisionKind::kEndpoint:
      return "endpoint";
    case DecisionKind::kRetry:
      return "retry";
    case DecisionKind::kClusterLimit:
      return "cluster limit";
    case DecisionKind::kBackend:
      return "backend";
    case DecisionKind::kTimeout:
      return "timeout";
    case DecisionKind::kPolicy:
      return "policy";
    case DecisionKind::kBreaker:
      return "circuit breaker";
  }
  return {};
}

void Decisions::Add(const Decision& decision) {
  if (count_ == kMost) {
    ++dropped_;
    return;
  }
  ++count_;
  auto* node = arena_.New<Node>(Node{decision, nullptr});
  node->decision.subject = arena_.Copy(decision.subject);
  node->decision.reason = arena_.Copy(decision.reason);
  *last_ = node;
  last_ = &(*last_)->next;
}

void Decisions::Add(const Decisions& others) {
  others.ForEach([this](const Decision& one) { Add(one); });
}

void Decisions::Reject(DecisionKind kind, size_t place, std::string_view subject,
                       std::string_view reason) {
  if (place >= kMostOfList || rejected_ == kMostRejected) {
    ++dropped_;
    return;
  }
  ++rejected_;
  Add(kind, subject, false, reason);
}

std::vector<KeptDecision> Decisions::Copy() const {
  std::vector<KeptDecision> all;
  all.reserve(count_);
  ForEach([&](const Decision& one) {
    all.push_back({one.kind, one.positive, std::string(one.subject), std::string(one.reason),
                   one.at, one.numbers});
  });
  return all;
}

void ExplainRoute(Decisions& decisions, const route::RouteTable& table, const http::Head& head,
                  uint64_t random) {
  const route::VirtualHost* host = table.HostFor(head);
  if (host == nullptr)
    return decisions.Add(DecisionKind::kRoute, head.authority, false, "no domain matches");
  size_t place = 0;
  for (const route::Route& route : host->routes()) {
    const route::Mismatch mismatch = route.Compare(head, random);
    std::string name = route.spec().name;
    if (name.empty()) name = "routes[" + std::to_string(place) + "]";
    if (mismatch == route::Mismatch::kNone)
      return decisions.Add(DecisionKind::kRoute, name, true, ReasonOf(mismatch));
    decisions.Reject(DecisionKind::kRoute, place++, name, ReasonOf(mismatch));
  }
}

void ExplainDenial(Decisions& decisions,
                   const std::vector<std::shared_ptr<const policy::Authorization>>& filters,
                   const policy::Subject& subject) {
  for (const auto& filter : filters) {
    const policy::Verdict verdict = filter->Decide(subject).verdict;
    if (verdict.allowed) continue;
    if (!verdict.policy.empty()) return;
    size_t place = 0;
    for (const policy::Mismatch& one : filter->Mismatches(subject, Decisions::kMostOfList))
      decisions.Reject(DecisionKind::kAuthorization, place++, one.policy, one.reason);
    return;
  }
}

std::string_view TextOf(upstream::Availability availability) {
  switch (availability) {
    case upstream::Availability::kUnhealthy:
      return "unhealthy";
    case upstream::Availability::kDraining:
      return "draining";
    case upstream::Availability::kBreakerOpen:
      return "circuit breaker open";
    case upstream::Availability::kAvailable:
      break;
  }
  return {};
}

void ExplainEndpoints(Decisions& decisions, const Call& call) {
  const upstream::Cluster& cluster = *call.cluster;
  size_t place = 0;
  for (const upstream::Endpoint* endpoint : cluster.Endpoints()) {
    const SocketAddress& address = endpoint->spec().address;
    if (address == call.record.upstream.address) {
      decisions.Add(DecisionKind::kEndpoint, address.ToString(), true,
                    "chosen by the load balancer");
    } else {
      decisions.Reject(DecisionKind::kEndpoint, place++, address.ToString(),
                       WhyNot(*endpoint, cluster.spec(), call.retries.tried()));
    }
  }
}

void Explain(Call& call, DecisionKind kind, std::string_view subject, bool positive,
             std::string_view reason, const DecisionNumbers& numbers) {
  if (call.decisions == nullptr) call.decisions = call.arena.New<Decisions>(call.arena);
  call.decisions->Add({kind, positive, subject, reason, call.services.loop.Now(), numbers});
}

std::string_view OwnerOf(const Call& call, std::string_view cause) {
  const std::string key(cause);
  if (call.chosen.route != nullptr) {
    const auto& owners = call.chosen.route->spec().owners;
    if (const auto found = owners.find(key); found != owners.end()) return found->second;
  }
  if (call.cluster.get() == nullptr) return {};
  const auto& owners = call.cluster->spec().owners;
  const auto found = owners.find(key);
  return found == owners.end() ? std::string_view() : found->second;
}

std::vector<KeptDecision> ExplainFailure(const Call& call) {
  Arena arena(call.services.loop.slab());
  Decisions all(arena);
  const bool forwarded = !call.record.routed.cluster.empty();
  if (call.chosen.table && call.request.head != nullptr && !forwarded) {
    const uint64_t random = call.services.loop.random().Next();
    ExplainRoute(all, *call.chosen.table, *call.request.head, random);
  }
  if (call.decisions != nullptr) all.Add(*call.decisions);
  if (call.record.failure.kind == failures::kDenied && call.request.head != nullptr && !forwarded)
    ExplainDenial(all, call.chain.spec.authorization, call.caller.AsSubject(call.request.head));
  const auto add_owner = [&](std::string_view cause) {
    const std::string_view owner = OwnerOf(call, cause);
    if (!owner.empty()) all.Add(DecisionKind::kPolicy, owner, false, cause);
  };
  if (call.record.failure) add_owner(call.record.failure.facts().cause);
  if (call.record.retries.attempts > 1) add_owner(kOwnerOfRetries);
  if (call.cluster.get() != nullptr) ExplainEndpoints(all, call);
  return all.Copy();
}

}  // namespace tulle::proxy
