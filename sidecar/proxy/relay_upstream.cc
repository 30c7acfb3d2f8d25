#include "sidecar/proxy/relay_upstream.h"

#include <utility>

#include "sidecar/proxy/failures.h"
#include "sidecar/route/hash_policy.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {

RelayUpstream::RelayUpstream(Services& services, RelayEnd& end)
    : services_(services), end_(end), connect_deadline_(&end, [](void* self) {
        static_cast<RelayEnd*>(self)->OnTransportFailed({FailureKind::kConnectTimeout});
      }) {}

Failure RelayUpstream::Enter(const config::TcpSpec& spec, RelayRecord& record) {
  uint64_t total = 0;
  for (const auto& [name, weight] : spec.clusters) total += weight;
  uint64_t at = services_.loop.random().Below(total);
  for (const auto& [name, weight] : spec.clusters) {
    if (at < weight) {
      cluster_ = services_.clusters.Acquire(name);
      record.cluster = name;
      break;
    }
    at -= weight;
  }
  if (cluster_ == nullptr) return {failures::kNoCluster};
  record.service = cluster_->spec().service;
  counted_ = cluster_->TryEnterConnection();
  if (!counted_) return {upstream::failures::kOverflow, "max_connections reached"};
  return {};
}

Failure RelayUpstream::Dial(const config::TcpSpec& spec, const RelayRecord& record) {
  Failure failure;
  upstream::PickCriteria criteria;
  if (spec.hash_source_ip) criteria.hash = route::HashOfIp(record.downstream);
  picked_ = cluster_->spec().original_destination
                ? cluster_->PickAt(record.downstream_local, &failure)
                : cluster_->Pick(criteria, &failure);
  if (picked_.endpoint == nullptr) return failure;
  const upstream::Endpoint& endpoint = *picked_.endpoint;
  ++attempts_;
  dialled_by_ = endpoint.socket().tls;
  end_.transport =
      upstream::Dial(services_.loop, cluster_->spec(), endpoint.spec(), endpoint.socket());
  end_.transport->SetEvents(&end_);
  services_.deadlines.Set(connect_deadline_, cluster_->spec().connect_timeout);
  return {};
}

bool RelayUpstream::MayDialAgain(const config::TcpSpec& spec, FailureKind why) {
  cluster_->Report(picked_, upstream::Outcome::kUnreachable, why);
  if (attempts_ >= spec.max_connect_attempts) return false;
  connect_deadline_.Clear();
  end_.transport->Close(true);
  services_.loop.DeferDelete(std::move(end_.transport));
  cluster_->Leave(picked_);
  return true;
}

bool RelayUpstream::Admit(upstream::DirectConnection& relay) {
  connect_deadline_.Clear();
  upstream::Endpoint& endpoint = *picked_.endpoint;
  const bool admitted = endpoint.Admits(*end_.transport, dialled_by_.get());
  if (admitted) {
    cluster_->Report(picked_, upstream::Outcome::kGood);
  } else {
    cluster_->Report(picked_, upstream::Outcome::kUnreachable, FailureKind::kPeerRefused);
  }
  if (admitted) endpoint.direct().PushBack(relay);
  return admitted;
}

void RelayUpstream::Leave() {
  connect_deadline_.Clear();
  if (picked_.endpoint != nullptr) cluster_->Leave(picked_);
  if (counted_) cluster_->LeaveConnection();
  if (cluster_ != nullptr) services_.clusters.Release(*std::exchange(cluster_, nullptr));
}

}  // namespace tulle::proxy
