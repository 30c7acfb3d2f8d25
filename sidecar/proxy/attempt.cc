#include "sidecar/proxy/attempt.h"

#include <utility>

#include "net/grpc/status.h"
#include "sidecar/proxy/tunnel.h"

namespace tulle::proxy {
namespace {

upstream::Outcome OutcomeOf(const http::Head& head) {
  int status = head.status;
  if (const std::string_view text = head.headers.Get(http::HeaderId::kGrpcStatus); !text.empty())
    status = grpc::HttpOfCode(grpc::ParseCode(text).value_or(grpc::Code::kOk));
  if (status >= 502 && status <= 504) return upstream::Outcome::kGatewayError;
  if (status >= 500) return upstream::Outcome::kServerError;
  return status == 429 ? upstream::Outcome::kOverloaded : upstream::Outcome::kGood;
}

}  // namespace

Attempt::Attempt(AttemptEvents& owner, upstream::Cluster& cluster, upstream::Cluster::Picked picked)
    : owner_(owner), cluster_(cluster), picked_(picked) {}

Attempt::~Attempt() {
  Abandon({});
  cluster_.Leave(picked_);
}

bool Attempt::Start(upstream::HttpVersion version, bool fresh_connection, Failure* failure) {
  version_ = version;
  const upstream::Acquired acquired = endpoint().Pool(version).Acquire(*this, fresh_connection);
  *failure = acquired.failure;
  if (acquired.failure) Report(acquired.failure);
  // Making room for it may have freed a connection, whose stream came by OnStream.
  if (acquired.stream == nullptr) return stream_ != nullptr;
  stream_ = acquired.stream;
  transport_ = acquired.transport;
  reused_ = acquired.reused;
  return true;
}

bool Attempt::IsKeepAliveRace(Failure failure) const {
  if (!reused_ || received_) return false;
  const ConnectionEnds ends = failure.facts().connection_ends;
  return ends == ConnectionEnds::kYes ||
         (ends == ConnectionEnds::kHttp1Only && version_ == upstream::HttpVersion::k1);
}

// A failure counts against the endpoint as the failure table says, but neither a keep-alive race
// nor the end of an upgraded stream does.
void Attempt::Report(Failure failure) {
  const Blame blame = failure.facts().blame;
  if (blame == Blame::kNone || upgraded_ || IsKeepAliveRace(failure)) return;
  const bool dialled = stream_ != nullptr || !waiting() || connection_under_way();
  if (blame == Blame::kEndpointIfDialled && !dialled) return;
  using enum upstream::Outcome;
  const bool opened = cluster_.Report(picked_,
                                      stream_ != nullptr ? kNoAnswer
                                      : waiting()        ? kGaveUp
                                                         : kUnreachable,
                                      failure.kind);
  if (opened) owner_.OnBreakerOpened();
}

void Attempt::Abandon(Failure why) {
  Report(why);
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
  owner_.OnStream();
}

void Attempt::OnNoStream(Failure failure) {
  Report(failure);
  owner_.OnFailed(failure);
}

void Attempt::OnInterim(http::Head& head) {
  received_ = true;
  owner_.OnInterim(head);
}

void Attempt::OnHeaders(http::Head& head, bool end) {
  received_ = true;
  upgraded_ = BeginsBytes(head);
  if (cluster_.Report(picked_, OutcomeOf(head))) owner_.OnBreakerOpened();
  owner_.OnHead(head, end);
}

void Attempt::OnReset(Failure failure) {
  Report(failure);
  Complete();
  owner_.OnFailed(failure);
}

}  // namespace tulle::proxy
