#include "sidecar/proxy/mirror.h"

#include <utility>

#include "sidecar/proxy/http_version.h"
#include "sidecar/proxy/services.h"
#include "sidecar/upstream/failures.h"

namespace tulle::proxy {
namespace {

constexpr std::string_view kSuffix = "-shadow";

// As Envoy: the suffix belongs to the name, not to the port.
std::string_view ShadowOf(std::string_view authority, const route::MirrorSpec& spec, Arena& arena) {
  if (!spec.host_rewrite.empty()) return arena.Copy(spec.host_rewrite);
  if (!spec.append_shadow) return arena.Copy(authority);
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.back() != ']';
  const std::string_view host = has_port ? authority.substr(0, colon) : authority;
  return arena.Concat(host, kSuffix, authority.substr(host.size()));
}

}  // namespace

Mirror::Mirror(Mirrors& owner, Services& services, upstream::Cluster& cluster,
               upstream::Cluster::Picked picked)
    : owner_(owner),
      services_(services),
      cluster_(cluster),
      picked_(picked),
      arena_(services.loop.slab()),
      body_(services.loop.slab()),
      deadline_(this, [](void* self) {
        static_cast<Mirror*>(self)->End({FailureKind::kRequestTimeout});
      }) {}

Mirror::~Mirror() = default;

void Mirror::Start(const http::Head& head, const route::MirrorSpec& spec, bool end,
                   Mirror** observer) {
  head_ = http::CopyHead(head, arena_);
  head_->authority = ShadowOf(head.authority, spec, arena_);
  request_ended_ = end;
  observer_ = observer;
  *observer = this;
  services_.deadlines.Set(deadline_, kPatience);
  const upstream::Acquired acquired =
      picked_.endpoint->Pool(VersionFor(cluster_.spec(), head)).Acquire(*this, false);
  if (acquired.failure) return End(acquired.failure);
  if (acquired.stream != nullptr) Open(*acquired.stream);
}

void Mirror::OnStream(http::Stream& stream, Transport&, bool) { Open(stream); }

void Mirror::OnNoStream(Failure failure) { End(failure); }

void Mirror::Open(http::Stream& stream) {
  cluster_.MarkSent(picked_);
  stream_ = &stream;
  sent_ = request_ended_ && body_.empty() && trailers_ == nullptr;
  stream.SendHeaders(*head_, sent_);
  stream.Pull(kMostKept);
  Flush();
}

void Mirror::Send(const Buffer& data, bool end) {
  request_ended_ = request_ended_ || end;
  if (body_.size() + data.size() > kMostKept)
    return End({upstream::failures::kOverflow, "the mirror fell behind"});
  body_.AppendShared(data);
  Flush();
}

void Mirror::SendTrailers(const http::HeaderMap& trailers) {
  trailers_ = arena_.New<http::HeaderMap>(arena_);
  for (const http::Header& header : trailers.all())
    trailers_->Add(header.id, arena_.Copy(header.name), arena_.Copy(header.value));
  request_ended_ = true;
  Flush();
}

void Mirror::Flush() {
  if (stream_ == nullptr || sent_) return;
  const bool all = request_ended_ && trailers_ == nullptr;
  if (!body_.empty()) {
    if (stream_->SendRoom() < body_.size()) return;  // OnSendRoom or the deadline follows
    sent_ = all;
    stream_->SendData(body_, all);
  } else if (all) {
    sent_ = true;
    stream_->SendData(body_, true);
  }
  if (!request_ended_ || trailers_ == nullptr || sent_) return;
  sent_ = true;
  stream_->SendTrailers(*trailers_);
}

void Mirror::Leave() {
  observer_ = nullptr;
  if (!request_ended_) End({FailureKind::kDownstreamClosed});
}

void Mirror::OnHeaders(http::Head& head, bool end) {
  status_ = head.status;
  cluster_.Report(picked_, head.status >= 502 && head.status <= 504
                               ? upstream::Outcome::kGatewayError
                           : head.status >= 500 ? upstream::Outcome::kServerError
                                                : upstream::Outcome::kGood);
  if (end) End({});
}

void Mirror::OnData(Buffer& data, bool end) {
  const size_t size = data.size();
  data.Clear();
  if (end) return End({});
  stream_->Pull(size);
}

void Mirror::OnTrailers(http::HeaderMap&) { End({}); }

void Mirror::OnReset(Failure failure) {
  if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Detach();
  if (status_ == 0) cluster_.Report(picked_, upstream::Outcome::kNoAnswer, failure.kind);
  End(failure);
}

void Mirror::End(Failure failure) {
  if (std::exchange(ended_, true)) return;
  deadline_.Clear();
  Withdraw();
  if (observer_ != nullptr) *std::exchange(observer_, nullptr) = nullptr;
  if (http::Stream* stream = std::exchange(stream_, nullptr)) {
    if (failure || !sent_) {
      stream->Reset(failure);
    } else {
      stream->Detach();
    }
  }
  cluster_.Leave(picked_);
  owner_.OnEnd(*this, cluster_, status_, failure);
}

Mirrors::~Mirrors() {
  while (!mirrors_.empty()) mirrors_.front().OnReset({FailureKind::kDraining});
}

void Mirrors::Start(const http::Head& head, const route::MirrorSpec& spec, bool end,
                    Mirror** observer) {
  if (count_ == kMost) return;
  upstream::Cluster* cluster = services_.clusters.Acquire(spec.cluster);
  if (cluster == nullptr) return;
  Failure failure;
  upstream::Cluster::Picked picked;
  const bool admitted = cluster->TryEnterRequest();
  if (admitted) picked = cluster->Pick({}, 0, &failure);
  if (picked.endpoint == nullptr) {
    if (admitted) cluster->LeaveRequest();
    return services_.clusters.Release(*cluster);
  }
  auto* mirror = new (services_.loop.slab()) Mirror(*this, services_, *cluster, picked);
  mirrors_.PushBack(*mirror);
  ++count_;
  mirror->Start(head, spec, end, observer);
}

void Mirrors::OnEnd(Mirror& mirror, upstream::Cluster& cluster, int status, Failure failure) {
  static_cast<ListNode<Mirror>&>(mirror).Unlink();
  --count_;
  services_.observer.OnMirrorEnd(cluster.spec().service, status, failure);
  cluster.LeaveRequest();
  services_.clusters.Release(cluster);
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&mirror));
}

}  // namespace tulle::proxy
