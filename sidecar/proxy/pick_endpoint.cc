// The phases from a route to an endpoint: the cluster with its limits, then the load balancer.

#include "sidecar/proxy/answer.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {

Step Admit(Call& call) {
  if (!call.cluster.Acquire(call.record.routed.cluster)) {
    return Step::Reply(FailureAnswer(call, {failures::kNoCluster},
                                     call.chosen.forward()->cluster_not_found_status));
  }
  // An update may replace the cluster's spec before the record is read.
  const std::string& service = call.cluster->spec().service;
  if (call.record.routed.service != service) call.record.routed.service = call.arena.Copy(service);
  if (call.cluster.TryEnter()) return Step::Continue();
  Explain(call, DecisionKind::kClusterLimit, "max_requests", false, "limit reached",
          {.used = call.cluster->limits().requests.count(),
           .allowed = call.cluster->spec().caps.requests});
  return Fail(call, {upstream::failures::kOverflow, "max_requests reached"});
}

Step PickEndpoint(Call& call) {
  const std::span<upstream::Endpoint* const> tried = call.retries.tried();
  const route::ForwardSpec& forward = *call.chosen.forward();
  const upstream::ClusterSpec& cluster = call.cluster->spec();
  const bool avoid = forward.retry && forward.retry->avoid_previous_hosts && !tried.empty();
  const uint32_t picks = avoid ? forward.retry->host_selection_attempts : 0;
  upstream::PickCriteria criteria{std::nullopt, tried, picks};
  if (!forward.hash.empty() && cluster.balancing == upstream::Balancing::kRingHash) {
    criteria.hash = route::HashOf(forward.hash, *call.request.head, call.caller.peer_address(),
                                  NewCookie(call));
  }
  Failure failure;
  const upstream::Cluster::Picked picked =
      cluster.original_destination ? call.cluster->PickAt(call.caller.local_address(), &failure)
                                   : call.cluster->Pick(criteria, &failure);
  if (picked.endpoint == nullptr) {
    if (failure.kind == upstream::failures::kBreakerOpen)
      Explain(call, DecisionKind::kBreaker, cluster.name, false, "open for each endpoint left");
    return Fail(call, failure);
  }
  call.cluster.Pick(picked);
  call.retries.OnPicked(*picked.endpoint);
  ++call.record.retries.attempts;
  if (call.decisions != nullptr) call.decisions->BeginAttempt(call.services.loop.Now());
  call.spans.BeginAttempt(call, picked.endpoint->spec().address);
  return Step::Continue();
}

std::string_view NewCookie(Call& call) {
  return route::FreshCookie(call.caller.peer_address(), call.caller.local_address(), call.arena);
}

}  // namespace tulle::proxy
