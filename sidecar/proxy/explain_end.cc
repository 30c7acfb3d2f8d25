// What is explained of a request at its end, and of its attempts.

#include <algorithm>
#include <array>

#include "sidecar/proxy/address_text.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/route_table.h"
#include "sidecar/upstream/retry_cap.h"

namespace tulle::proxy {
namespace {

using recorder::BreakerNow;

using AddressRoom = std::array<char, 64>;

std::string_view Written(const SocketAddress& address, AddressRoom& room) {
  return ShowAddress(address, Shown::kBoth, room);
}

BreakerNow BreakerOf(const upstream::Endpoint& endpoint, const upstream::ClusterSpec& cluster) {
  if (!cluster.breaker) return BreakerNow::kUnknown;
  switch (endpoint.breaker().state()) {
    case upstream::BreakerState::kClosed:
      return BreakerNow::kClosed;
    case upstream::BreakerState::kOpen:
      return BreakerNow::kOpen;
    case upstream::BreakerState::kTrial:
      return BreakerNow::kTrial;
  }
  return BreakerNow::kUnknown;
}

// Of the attempt that ends `now`.
DecisionNumbers AttemptNumbers(const Call& call, const upstream::Endpoint* endpoint, int status,
                               loop::Instant now) {
  const loop::Instant started = call.record.times.started;
  const loop::Instant began =
      call.decisions == nullptr ? started : std::max(started, call.decisions->attempt_began());
  DecisionNumbers numbers;
  numbers.began = began - started;
  numbers.took = now - began;
  numbers.status = status;
  if (endpoint != nullptr) numbers.breaker = BreakerOf(*endpoint, call.cluster->spec());
  return numbers;
}

std::string_view ReasonOf(Failure failure, Arena& arena) {
  if (!failure) return {};
  const std::string_view detail = failure.detail;
  const std::string_view cause = failure.facts().cause;
  return detail.empty() ? cause : arena.Concat(cause, std::string_view(": "), detail);
}

size_t ExplainedAttempts(const Call& call) {
  size_t attempts = 0;
  if (call.decisions == nullptr) return 0;
  call.decisions->ForEach(
      [&](const Decision& one) { attempts += one.kind == DecisionKind::kAttempt; });
  return attempts;
}

const upstream::Endpoint* LastEndpoint(const Call& call) {
  const upstream::Endpoint* last = nullptr;
  if (call.cluster.get() == nullptr) return last;
  call.cluster->ForEachEndpoint([&](const upstream::Endpoint& one) {
    if (one.spec().address == call.record.upstream.address) last = &one;
  });
  return last;
}

// Those before it are in call.decisions.
void ExplainLastAttempt(Decisions& decisions, const Call& call) {
  const DecisionRecord& record = call.record;
  if (ExplainedAttempts(call) >= record.retries.attempts) return;
  const bool answered = record.times.upstream_answered != loop::Instant();
  AddressRoom room;
  Arena arena(call.services.loop.slab());
  decisions.Add(
      {DecisionKind::kAttempt,
       answered && !record.failure,
       Written(record.upstream.address, room),
       ReasonOf(record.failure, arena),
       {},
       AttemptNumbers(call, LastEndpoint(call), answered ? record.status : 0, record.times.ended)});
}

void ExplainLimits(Decisions& decisions, const Call& call) {
  if (call.cluster.get() == nullptr) return;
  const upstream::Cluster& cluster = *call.cluster;
  const upstream::Caps& caps = cluster.spec().caps;
  upstream::ClusterLimits& limits = cluster.limits();
  const auto add = [&](std::string_view name, const upstream::Admission& used, uint32_t allowed) {
    if (allowed == upstream::Caps::kUnlimited) return;
    decisions.Add({DecisionKind::kClusterLimit,
                   used.count() < allowed,
                   name,
                   "in use when the request ended",
                   {},
                   {.used = used.count(), .allowed = allowed}});
  };
  add("max_requests", limits.requests, caps.requests);
  add("max_pending_requests", limits.pending, caps.pending_requests);
  add("max_connections", limits.connections, caps.connections);
  add(caps.has_retry_budget ? "retry_budget" : "max_retries", limits.retries,
      upstream::RetryCap(caps, limits));
}

// The table takes the first route that matches, so those before the chosen one did not. What does
// not is told by the head as it is now, with the path as it came: forwarding has changed it.
void ExplainRoutesBefore(Decisions& decisions, const Call& call, Arena& arena) {
  http::Head* head = http::CopyHead(*call.request.head, arena);
  if (!call.record.original_path.empty()) head->path = call.record.original_path;
  const uint64_t random = call.services.loop.random().Next();
  size_t place = 0;
  char scratch[32];
  for (const route::Route& route : call.chosen.route->virtual_host().routes()) {
    const std::string_view name = NameOf(route, place, scratch);
    if (&route == call.chosen.route)
      return decisions.Add(DecisionKind::kRoute, name, true, TextOf(route::Mismatch::kNone));
    const route::Mismatch mismatch =
        place < Decisions::kMostExplained ? route.Compare(*head, random) : route::Mismatch::kNone;
    decisions.Reject(
        DecisionKind::kRoute, place++, name,
        mismatch == route::Mismatch::kNone ? "did not match as it came" : TextOf(mismatch));
  }
}

void ExplainRoutes(Decisions& decisions, const Call& call, Arena& arena) {
  if (!call.chosen.table || call.request.head == nullptr) return;
  if (call.chosen.route != nullptr) return ExplainRoutesBefore(decisions, call, arena);
  const uint64_t random = call.services.loop.random().Next();
  ExplainRoute(decisions, *call.chosen.table, *call.request.head, random);
}

std::string_view WhyNot(const upstream::Endpoint& endpoint, const upstream::ClusterSpec& cluster,
                        std::span<upstream::Endpoint* const> tried) {
  const std::string_view unusable = TextOf(endpoint.AvailabilityIn(cluster));
  if (!unusable.empty()) return unusable;
  if (std::find(tried.begin(), tried.end(), &endpoint) != tried.end()) return "tried before";
  return "not chosen by the load balancer";
}

void ExplainEndpoints(Decisions& decisions, const Call& call) {
  if (call.cluster.get() == nullptr) return;
  size_t place = 0;
  AddressRoom room;
  call.cluster->ForEachEndpoint([&](const upstream::Endpoint& endpoint) {
    const SocketAddress& address = endpoint.spec().address;
    if (address == call.record.upstream.address) {
      decisions.Add(DecisionKind::kEndpoint, Written(address, room), true,
                    "chosen by the load balancer");
    } else {
      decisions.Reject(DecisionKind::kEndpoint, place++, Written(address, room),
                       WhyNot(endpoint, call.cluster->spec(), call.retries.tried()));
    }
  });
}

void ExplainOwner(Decisions& decisions, const Call& call, std::string_view cause) {
  const std::string_view owner = OwnerOf(call, cause);
  if (!owner.empty()) decisions.Add(DecisionKind::kPolicy, owner, false, cause);
}

void ExplainPolicies(Decisions& decisions, const Call& call) {
  const DecisionRecord& record = call.record;
  const bool forwarded = !record.routed.cluster.empty();
  if (record.failure.kind != failures::kDenied) {
    if (!record.policy.empty())
      decisions.Add(DecisionKind::kAuthorization, record.policy, true, "policy matches");
  } else if (call.request.head != nullptr && !forwarded) {
    ExplainDenial(decisions, call.chain.spec.authorization,
                  call.caller.AsSubject(call.request.head));
  }
  if (record.failure) ExplainOwner(decisions, call, record.failure.facts().cause);
  if (record.retries.attempts > 1) ExplainOwner(decisions, call, kOwnerOfRetries);
}

}  // namespace

void ExplainAttempt(Call& call, const upstream::Endpoint& endpoint, int status, Failure failure) {
  AddressRoom room;
  Explain(call, DecisionKind::kAttempt, Written(endpoint.spec().address, room), false,
          ReasonOf(failure, call.arena),
          AttemptNumbers(call, &endpoint, status, call.services.loop.Now()));
}

void ExplainEnd(Decisions& decisions, const Call& call) {
  Arena arena(call.services.loop.slab());
  if (call.decisions != nullptr) decisions.Add(*call.decisions);
  ExplainPolicies(decisions, call);
  ExplainLastAttempt(decisions, call);
  ExplainLimits(decisions, call);
  ExplainRoutes(decisions, call, arena);
  ExplainEndpoints(decisions, call);
}

}  // namespace tulle::proxy
