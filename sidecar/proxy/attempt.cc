#include "sidecar/proxy/attempt.h"

#include <utility>

#include "sidecar/proxy/exchange.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {
namespace {

// How Envoy reads the status of a gRPC answer for its outlier detection.
int HttpStatusOfGrpc(std::string_view status) {
  if (status == "2" || status == "13" || status == "15") return 500;
  if (status == "4") return 504;
  if (status == "8") return 429;
  if (status == "12") return 501;
  if (status == "14") return 503;
  return 200;
}

}  // namespace

Attempt::Attempt(Exchange& exchange, upstream::Cluster& cluster, upstream::Cluster::Picked picked)
    : exchange_(exchange), cluster_(cluster), picked_(picked) {}

Attempt::~Attempt() {
  Abandon({});
  cluster_.Leave(picked_);
}

bool Attempt::Start(upstream::HttpVersion version, bool fresh_connection, Failure* failure) {
  version_ = version;
  const upstream::Acquired acquired = endpoint().Pool(version).Acquire(*this, fresh_connection);
  *failure = acquired.failure;
  if (acquired.failure) Judge(acquired.failure);
  // Making room for it may have freed a connection, whose stream came by OnStream.
  if (acquired.stream == nullptr) return stream_ != nullptr;
  stream_ = acquired.stream;
  transport_ = acquired.transport;
  reused_ = acquired.reused;
  return true;
}

bool Attempt::MetEndOfKept(FailureKind kind) const {
  if (!reused_ || got_anything_) return false;
  switch (kind) {
    case FailureKind::kUpstreamClosedUnused:
    case FailureKind::kUpstreamClosedUnread:
    case FailureKind::kUpstreamClosed:
      return true;
    case FailureKind::kUpstreamReset:
      // HTTP/2 ends streams so, on a connection that lives.
      return version_ == upstream::HttpVersion::k1;
    default:
      return false;
  }
}

// What a failure says about the endpoint. A kept connection that turns out to be closed says
// nothing, nor do our own limits or a caller that left, nor how an upgraded stream ends.
void Attempt::Judge(Failure failure) {
  using enum FailureKind;
  if (upgraded_) return;
  switch (failure.kind) {
    case kUpstreamClosed:
    case kUpstreamClosedUnread:
    case kUpstreamReset:
      if (MetEndOfKept(failure.kind)) return;
      [[fallthrough]];
    case kRequestTimeout:
      if (stream_ == nullptr && waiting() && !connection_under_way()) return;
      [[fallthrough]];
    case kConnectRefused:
    case kConnectTimeout:
    case kTlsFailed:
    case kPeerRefused:
    case kUpstreamProtocol:
    case kUpstreamTruncated:
    case kPerTryTimeout:
      return cluster_.Report(picked_, upstream::Outcome::kGatewayError);
    default:
      return;
  }
}

void Attempt::Judge(const http::Head& head) {
  int status = head.status;
  if (const std::string_view grpc = head.headers.Get(http::HeaderId::kGrpcStatus); !grpc.empty())
    status = HttpStatusOfGrpc(grpc);
  upstream::Outcome outcome = upstream::Outcome::kGood;
  if (status == 429) outcome = upstream::Outcome::kOverloaded;
  if (status >= 500) outcome = upstream::Outcome::kServerError;
  if (status >= 502 && status <= 504) outcome = upstream::Outcome::kGatewayError;
  cluster_.Report(picked_, outcome);
}

void Attempt::Abandon(Failure why) {
  Judge(why);
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
  cluster_.MarkSent(picked_);
  exchange_.OnAttemptStream();
}

void Attempt::OnNoStream(Failure failure) {
  Judge(failure);
  exchange_.OnAttemptFailed(failure);
}

Arena& Attempt::arena() { return exchange_.arena(); }

void Attempt::OnInterim(http::Head& head) {
  got_anything_ = true;
  exchange_.OnResponseInterim(head);
}

void Attempt::OnHeaders(http::Head& head, bool end) {
  got_anything_ = true;
  Judge(head);
  upgraded_ = head.status == 101;
  exchange_.OnResponseHead(head, end);
}

void Attempt::OnData(Buffer& data, bool end) { exchange_.OnResponseData(data, end); }

void Attempt::OnTrailers(http::HeaderMap& trailers) { exchange_.OnResponseTrailers(trailers); }

void Attempt::OnReset(Failure failure) {
  Judge(failure);
  Complete();
  exchange_.OnAttemptFailed(failure);
}

void Attempt::OnSendRoom() { exchange_.OnUpstreamRoom(); }

}  // namespace tulle::proxy
