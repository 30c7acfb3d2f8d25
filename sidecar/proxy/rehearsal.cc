#include "sidecar/proxy/rehearsal.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "sidecar/policy/authorization.h"
#include "sidecar/policy/fault.h"
#include "sidecar/policy/rate_limit.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

using config::Direction;
using config::FilterChainSpec;
using config::ListenerSpec;

// Where the request would arrive.
struct Place {
  const ListenerSpec* listener = nullptr;  // null: nowhere
  std::shared_ptr<const FilterChainSpec> chain;
  bool plaintext_refused = false;
};

bool IsHttp(const FilterChainSpec& chain) {
  return std::holds_alternative<config::HttpSpec>(chain.proxy);
}

// Null: none of the chain's routes is for the host.
const route::VirtualHost* HostIn(const FilterChainSpec& chain, const http::Head& head,
                                 RouteSlots& slots) {
  const auto& http = std::get<config::HttpSpec>(chain.proxy);
  const route::RouteTable* table =
      http.routes != nullptr ? http.routes.get() : slots.Slot(http.rds_name).table.get();
  return table == nullptr ? nullptr : table->HostFor(head);
}

// A service of the mesh, and not the answer for unknown hosts.
bool ServesHost(const FilterChainSpec& chain, const http::Head& head, RouteSlots& slots) {
  const route::VirtualHost* host = HostIn(chain, head, slots);
  if (host == nullptr) return false;
  const std::vector<std::string>& domains = host->spec().domains;
  return std::find(domains.begin(), domains.end(), "*") == domains.end();
}

// Where what belongs to no service goes: of intercepted connections to the listener for unknown
// destinations, else to the first one that programs name as their proxy.
Place FindUnknown(const Services& services, const std::vector<const ListenerSpec*>& listeners,
                  const http::Head& head) {
  Place found;
  for (const ListenerSpec* listener : listeners) {
    if (listener->direction != Direction::kOutbound || !listener->bind) continue;
    if (listener->hand_off) found = {listener, listener->default_chain};
    for (const auto& chain : listener->chains) {
      if (IsHttp(*chain) && HostIn(*chain, head, services.routes) != nullptr)
        return {listener, chain};
    }
  }
  return found;
}

// The listener of the dialled address, or else the one whose routes name the host.
Place FindOutbound(const Services& services, const std::vector<const ListenerSpec*>& listeners,
                   const RehearsedRequest& request, const http::Head& head) {
  Place named;
  for (const ListenerSpec* listener : listeners) {
    if (listener->direction != Direction::kOutbound) continue;
    for (const auto& chain : listener->chains) {
      if (!IsHttp(*chain)) continue;
      if (request.destination.is_set() && listener->address == request.destination)
        return {listener, chain};
      if (named.listener == nullptr && ServesHost(*chain, head, services.routes))
        named = {listener, chain};
    }
  }
  if (named.listener != nullptr) return named;
  // A dialled address belongs to a service, of which an intercepting sidecar learns when it is
  // called.
  const bool intercepts =
      std::any_of(listeners.begin(), listeners.end(), [](const ListenerSpec* listener) {
        return listener->direction == Direction::kOutbound && listener->hand_off;
      });
  if (intercepts && request.destination.is_set()) return named;
  return FindUnknown(services, listeners, head);
}

bool TakesPort(const ListenerSpec& listener, const FilterChainSpec& chain, uint16_t port) {
  if (port == 0 || listener.address.port() == port) return true;
  return chain.match.destination_port == port;
}

// HTTP before bytes, which every port may have too.
Place FindInbound(const std::vector<const ListenerSpec*>& listeners,
                  const RehearsedRequest& request) {
  Place found;
  const bool wants_tls = !request.source_id.empty();
  for (const ListenerSpec* listener : listeners) {
    if (listener->direction != Direction::kInbound) continue;
    for (const auto& chain : listener->chains) {
      if (!TakesPort(*listener, *chain, request.destination.port())) continue;
      if ((chain->tls != nullptr) != wants_tls) {
        if (found.listener == nullptr) found = {listener, nullptr, !wants_tls};
        continue;
      }
      const bool better = found.chain == nullptr || (!IsHttp(*found.chain) && IsHttp(*chain));
      if (better) found = {listener, chain};
    }
  }
  return found;
}

PeerIdentity IdentityOf(const std::string& spiffe_id) {
  PeerIdentity identity;
  identity.spiffe_id = spiffe_id;
  return identity;
}

// A denial is kept by the phase itself.
void NoteVerdict(Call& call, bool denied) {
  if (denied || call.chain.spec.authorization.empty()) return;
  call.decisions->Add(DecisionKind::kAuthorization, call.record.policy, true,
                      call.record.policy.empty() ? "no policy denies it" : "policy matches");
}

// "TEXT, by ResiliencePolicy shop/cart spec.rateLimit".
std::string WithOwner(const Call& call, std::string text, std::string_view cause) {
  const std::string_view owner = OwnerOf(call, cause);
  if (!owner.empty()) text.append(", by ").append(owner);
  return text;
}

// Whether it is used up is not looked at.
void NoteLimits(Call& call) {
  const route::Route* route = call.chosen.route;
  for (const config::RateLimitFilter& filter : call.chain.spec.rate_limits) {
    const policy::LocalRateLimit* limit = filter.limit.get();
    if (route != nullptr) {
      const auto own = route->spec().rate_limits.find(filter.name);
      if (own != route->spec().rate_limits.end()) limit = own->second.get();
    }
    if (limit == nullptr) continue;
    call.decisions->Add(DecisionKind::kRateLimit, filter.name, true,
                        WithOwner(call, "a rate limit applies here", "rate_limited"));
  }
}

void NoteFault(Call& call) {
  const policy::FaultInjection* fault = call.chain.spec.fault.get();
  const route::Route* route = call.chosen.route;
  if (route != nullptr && route->spec().fault != nullptr) fault = route->spec().fault.get();
  if (fault == nullptr || !fault->Matches(*call.request.head, call.chosen.cluster())) return;
  call.decisions->Add(DecisionKind::kFault, "delay or abort", true,
                      WithOwner(call, "a fault may be injected", "fault_injected"));
}

void NoteTimeout(Call& call, std::string_view what, std::chrono::milliseconds time,
                 std::string_view cause) {
  if (time.count() == 0) return;
  call.decisions->Add(DecisionKind::kTimeout, what, true,
                      WithOwner(call, std::to_string(time.count()) + " ms", cause));
}

// Of a route that forwards: how requests are shared out, how long they may take, how often they are
// tried.
void NoteForwarding(Call& call) {
  const route::ForwardSpec& forward = *call.chosen.forward();
  uint64_t sum = 0;
  for (const route::WeightedCluster& each : forward.clusters) sum += each.weight;
  for (const route::WeightedCluster& each : forward.clusters) {
    if (forward.clusters.size() == 1) break;
    call.decisions->Add(DecisionKind::kBackend, each.name, each.name == call.record.routed.cluster,
                        "weight " + std::to_string(each.weight) + " of " + std::to_string(sum));
  }
  NoteTimeout(call, "request", forward.timeout, "request_timeout");
  if (!forward.retry) return;
  NoteTimeout(call, "perTry", forward.retry->per_try_timeout, "per_try_timeout");
  const uint32_t most = forward.retry->attempts_after_first;
  const std::string text = "at most " + std::to_string(most) + (most == 1 ? " retry" : " retries");
  call.decisions->Add(DecisionKind::kRetry, "", true, WithOwner(call, text, kOwnerOfRetries));
}

// The cluster, and the endpoints among which the load balancer would choose.
Failure ConsiderEndpoints(Call& call) {
  if (!call.cluster.Acquire(call.record.routed.cluster)) return {failures::kNoCluster};
  const upstream::ClusterSpec& spec = call.cluster->spec();
  call.record.routed.service = call.arena.Copy(spec.service);
  if (spec.original_destination) return {};
  bool any = false;
  bool any_open = false;
  size_t place = 0;
  for (const upstream::Endpoint* endpoint : call.cluster->Endpoints()) {
    const upstream::Availability availability = endpoint->AvailabilityIn(spec);
    const std::string address = endpoint->spec().address.ToString();
    if (availability == upstream::Availability::kAvailable) {
      any = true;
      call.decisions->Add(DecisionKind::kEndpoint, address, true, "available");
    } else {
      any_open |= availability == upstream::Availability::kBreakerOpen;
      call.decisions->Reject(DecisionKind::kEndpoint, place++, address, TextOf(availability));
    }
  }
  if (!call.cluster.TryEnter()) return {upstream::failures::kOverflow, "max_requests reached"};
  // In panic all are used.
  if (any || (spec.panic_percent != 0 && place != 0)) return {};
  return {any_open ? upstream::failures::kBreakerOpen : upstream::failures::kNoHealthyEndpoint};
}

// The phases, in the order of Exchange.
void Run(Call& call, RehearsalOutcome& outcome) {
  const auto ended = [&](const Step& step) {
    if (step.kind() != Step::Kind::kAnswer) return false;
    outcome.status = step.answer().head->status;
    outcome.failure = step.answer().failure;
    return true;
  };
  if (ended(CheckHead(call)) || ended(MatchRoute(call))) return;
  const uint64_t random = call.services.loop.random().Next();
  ExplainRoute(*call.decisions, *call.chosen.table, *call.request.head, random);
  const bool denied = ended(Authorize(call));
  NoteVerdict(call, denied);
  if (denied) {
    return ExplainDenial(*call.decisions, call.chain.spec.authorization,
                         call.caller.AsSubject(call.request.head));
  }
  NoteLimits(call);
  NoteFault(call);
  if (ended(Prepare(call))) return;
  NoteForwarding(call);
  outcome.failure = ConsiderEndpoints(call);
  if (outcome.failure) outcome.status = outcome.failure.facts().status;
}

// A connection whose bytes are not looked at: a client with HTTP gets no answer from here.
void DecideOnConnection(Services& services, const FilterChainSpec& chain, const Caller& caller,
                        Decisions& decisions, RehearsalOutcome& outcome) {
  for (const auto& authorization : chain.authorization) {
    const policy::Verdict verdict = authorization->Decide(caller.AsSubject(nullptr)).verdict;
    decisions.Add(DecisionKind::kAuthorization, verdict.policy, verdict.allowed,
                  verdict.policy.empty() ? "no policy matches" : "policy matches");
    outcome.policy = std::string(verdict.policy);
    if (verdict.allowed) continue;
    outcome.failure = {failures::kDenied};
    outcome.is_connection_closed = true;
    return ExplainDenial(decisions, chain.authorization, caller.AsSubject(nullptr));
  }
  const auto* tcp = std::get_if<config::TcpSpec>(&chain.proxy);
  if (tcp == nullptr) return;
  outcome.cluster = tcp->clusters.front().first;
  ClusterUse cluster(services.clusters);
  if (!cluster.Acquire(outcome.cluster) || cluster->spec().original_destination) return;
  outcome.service = cluster->spec().service;
  if (!cluster->Endpoints().empty()) return;
  outcome.failure = {upstream::failures::kNoHealthyEndpoint};
  outcome.is_connection_closed = true;
}

void RunHttp(Services& services, const Place& place, const RehearsedRequest& request,
             Caller& caller, RehearsalOutcome& outcome) {
  HttpChain chain(place.chain, request.direction, services.routes);
  Call call(services, chain, caller);
  call.decisions = call.arena.New<Decisions>(call.arena);
  http::Head head(call.arena);
  head.method = request.method;
  head.scheme = "http";
  head.authority = request.authority;
  head.path = request.path;
  for (const auto& [name, value] : request.headers) head.headers.Add(name, value);
  call.request.head = &head;
  call.request.ended = true;
  Run(call, outcome);
  outcome.route = std::string(call.record.routed.route);
  outcome.cluster = std::string(call.record.routed.cluster);
  outcome.service = std::string(call.record.routed.service);
  outcome.method = std::string(head.method);
  outcome.authority = std::string(head.authority);
  outcome.path = std::string(head.path);
  outcome.policy = std::string(call.record.policy);
  outcome.decisions = call.decisions->Copy();
}

}  // namespace

RehearsalOutcome Rehearse(Services& services, const std::vector<const ListenerSpec*>& listeners,
                          const RehearsedRequest& request) {
  RehearsalOutcome outcome;
  Arena arena(services.loop.slab());
  http::Head head(arena);
  head.authority = request.authority;
  head.path = request.path;
  const Place place = request.direction == Direction::kOutbound
                          ? FindOutbound(services, listeners, request, head)
                          : FindInbound(listeners, request);
  if (place.listener == nullptr) return outcome;
  outcome.listener = place.listener->name;
  if (place.chain == nullptr) {
    // Nothing is answered: the connection ends before the sidecar reads a request.
    outcome.failure = {failures::kDenied};
    outcome.is_connection_closed = true;
    if (place.plaintext_refused) outcome.policy = place.listener->peer_authentication;
    return outcome;
  }
  const PeerIdentity identity = IdentityOf(request.source_id);
  Caller caller = request.source_id.empty() ? Caller(request.source, request.destination)
                                            : Caller(identity, request.source, request.destination);
  if (IsHttp(*place.chain)) {
    RunHttp(services, place, request, caller, outcome);
  } else {
    Decisions decisions(arena);
    DecideOnConnection(services, *place.chain, caller, decisions, outcome);
    outcome.decisions = decisions.Copy();
  }
  return outcome;
}

}  // namespace tulle::proxy
