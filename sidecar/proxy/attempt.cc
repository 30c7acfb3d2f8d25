#include "sidecar/proxy/attempt.h"

#include <utility>

#include "sidecar/proxy/exchange.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

Attempt::Attempt(Exchange& exchange, upstream::Cluster& cluster, upstream::Endpoint& endpoint)
    : exchange_(exchange), cluster_(cluster), endpoint_(endpoint) {}

Attempt::~Attempt() {
  Abandon({});
  cluster_.LeaveEndpoint(endpoint_);
}

bool Attempt::Start(upstream::HttpVersion version, bool fresh_connection, Failure* failure) {
  const upstream::Acquired acquired = endpoint_.Pool(version).Acquire(*this, fresh_connection);
  *failure = acquired.failure;
  if (acquired.stream == nullptr) return false;
  stream_ = acquired.stream;
  transport_ = acquired.transport;
  reused_ = acquired.reused;
  return true;
}

void Attempt::Abandon(Failure why) {
  Withdraw();
  transport_ = nullptr;
  if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Reset(why);
}

void Attempt::Complete() {
  transport_ = nullptr;
  if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Detach();
}

void Attempt::OnStream(http::Stream& stream, Transport& transport, bool reused) {
  stream_ = &stream;
  transport_ = &transport;
  reused_ = reused;
  exchange_.OnAttemptStream();
}

void Attempt::OnNoStream(Failure failure) { exchange_.OnAttemptFailed(failure); }

Arena& Attempt::arena() { return exchange_.arena(); }

void Attempt::OnInterim(http::Head& head) {
  got_anything_ = true;
  exchange_.OnResponseInterim(head);
}

void Attempt::OnHeaders(http::Head& head, bool end) {
  got_anything_ = true;
  exchange_.OnResponseHead(head, end);
}

void Attempt::OnData(Buffer& data, bool end) { exchange_.OnResponseData(data, end); }

void Attempt::OnTrailers(http::HeaderMap& trailers) { exchange_.OnResponseTrailers(trailers); }

void Attempt::OnReset(Failure failure) {
  Complete();
  exchange_.OnAttemptFailed(failure);
}

void Attempt::OnSendRoom() { exchange_.OnUpstreamRoom(); }

}  // namespace tulle::proxy
