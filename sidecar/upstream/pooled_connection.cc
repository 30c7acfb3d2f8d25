#include "sidecar/upstream/pooled_connection.h"

#include <utility>

namespace tulle::upstream {

void PooledConnection::Start(std::unique_ptr<http::ClientConnection> codec,
                             std::shared_ptr<const tls::SecureConnector> dialled_by) {
  codec_ = std::move(codec);
  dialled_by_ = std::move(dialled_by);
  connect_timer_ = resources_.loop.NewTimer([this] { Close({FailureKind::kConnectTimeout}); });
  connect_timer_->Start(resources_.spec->connect_timeout);
  codec_->Start();
}

void PooledConnection::OnConnectionReady() {
  connect_timer_.reset();
  const auto dialled_by = std::move(dialled_by_);
  if (!pool_.Admits(*this, dialled_by.get()))
    return Close({FailureKind::kPeerRefused, "the endpoint has an unexpected SPIFFE ID"});
  connecting_ = false;
  ready_since_ = resources_.loop.Now();
  pool_.OnConnected(*this);
}

void PooledConnection::OnConnectionClosed(Failure why) {
  LeaveIdle();
  if (connect_timer_ != nullptr) connect_timer_->Stop();
  pool_.OnClosed(*this, why);
}

bool PooledConnection::IsSpent() const {
  const ClusterSpec& spec = *resources_.spec;
  const uint32_t most = spec.max_requests_per_connection;
  if (most != 0 && streams_opened_ >= most) return true;
  return spec.max_connection_age.count() > 0 &&
         resources_.loop.Now() - ready_since_ >= spec.max_connection_age;
}

Acquired PooledConnection::Open(http::StreamEvents& events) {
  LeaveIdle();
  Acquired acquired;
  acquired.reused = codec_->used();
  acquired.transport = &codec_->transport();
  acquired.stream = &codec_->Open(events);
  ++streams_opened_;
  return acquired;
}

void PooledConnection::DrainUntrusted() {
  codec_->ResetUpgraded();
  codec_->Drain();
}

void PooledConnection::Close(Failure why) {
  codec_->Close();
  OnConnectionClosed(why);
}

void PooledConnection::Abandon(loop::Loop& loop) {
  if (codec_ == nullptr) return;
  codec_->Close();
  loop.DeferDelete(std::move(codec_));
}

}  // namespace tulle::upstream
