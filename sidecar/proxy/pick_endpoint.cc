// From a route to a stream: the cluster and its caps, an endpoint, a connection.

#include <algorithm>

#include "sidecar/proxy/downstream_connection.h"
#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/services.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

Step Exchange::Admit() {
  cluster_ = services_.clusters.Acquire(record_.cluster);
  if (cluster_ == nullptr) return Respond({FailureKind::kNoCluster});
  // A push may put another spec into the cluster's place before the record is read.
  if (record_.service != cluster_->spec().service)
    record_.service = arena_.Copy(cluster_->spec().service);
  if (!cluster_->TryEnterRequest())
    return Respond({FailureKind::kOverflow, "requests at their cap"});
  admitted_ = true;
  return Step::kContinue;
}

Step Exchange::PickEndpoint() {
  const std::span<upstream::Endpoint* const> tried = retries_.tried();
  const std::optional<route::RetrySpec>& retry = route_->forward()->retry;
  const bool avoid = retry && retry->avoid_previous_hosts && !tried.empty();
  const uint32_t picks = avoid ? retry->host_selection_attempts : 0;
  upstream::PickCriteria criteria{std::nullopt, tried, picks};
  const std::vector<route::HashSpec>& hash = route_->forward()->hash;
  if (!hash.empty() && cluster_->spec().balancing == upstream::Balancing::kRingHash)
    criteria.hash = route::HashOf(hash, *request_, connection_.peer_address(), FreshCookie());
  Failure failure;
  const upstream::Cluster::Picked picked =
      cluster_->spec().original_destination
          ? cluster_->PickAt(connection_.local_address(), &failure)
          : cluster_->Pick(criteria, &failure);
  if (picked.endpoint == nullptr) return Respond(failure);
  retries_.OnPicked(*picked.endpoint);
  attempt_.emplace(*this, *cluster_, picked);
  ++record_.attempts;
  StartAttemptTrace();
  return Step::kContinue;
}

std::string_view Exchange::FreshCookie() {
  return route::FreshCookie(connection_.peer_address(), connection_.local_address(), arena_);
}

Step Exchange::Connect() {
  upstream::HttpVersion version = upstream::HttpVersion::k1;
  if (cluster_->spec().http == upstream::HttpChoice::kHttp2 ||
      (cluster_->spec().http == upstream::HttpChoice::kAsDownstream &&
       request_->version == http::Version::kHttp2)) {
    version = upstream::HttpVersion::k2;
  }
  if (version == upstream::HttpVersion::k2 && request_->upgrade_wanted)
    return Respond({FailureKind::kUpgradeRefused, "the upstream speaks HTTP/2"});
  StartRequestTimeout();
  Failure failure;
  if (attempt_->Start(version, retries_.fresh_connection(), &failure)) return Step::kContinue;
  if (!failure) return Step::kPause;
  EndAttemptTrace(0, failure);
  if (MayRetry(failure)) {
    ScheduleRetry(true);
    return Step::kPause;
  }
  return Respond(failure);
}

}  // namespace tulle::proxy
