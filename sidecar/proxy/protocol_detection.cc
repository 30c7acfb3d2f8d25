#include "sidecar/proxy/protocol_detection.h"

#include <utility>

namespace tulle::proxy {

ProtocolDetection::ProtocolDetection(ProtocolDetectionOwner& owner, loop::Loop& loop,
                                     loop::Deadlines& deadlines,
                                     std::unique_ptr<loop::Socket> accepted)
    : socket(std::move(accepted)),
      early(loop.slab()),
      owner_(owner),
      deadlines_(deadlines),
      deadline_(this, [](void* self) { static_cast<ProtocolDetection*>(self)->OnTimeout(); }) {}

void ProtocolDetection::Start(config::Milliseconds timeout, bool judge_at_timeout) {
  judge_at_timeout_ = judge_at_timeout;
  if (timeout.count() > 0) deadlines_.Set(deadline_, timeout);
  socket->Watch(this, true, false);
}

void ProtocolDetection::OnSocketReady(int, bool, bool) {
  const std::span<char> room = early.Reserve(16 * 1024);
  const iovec into{room.data(), room.size()};
  const ssize_t count = socket->Readv({&into, 1});
  early.Commit(count > 0 ? static_cast<size_t>(count) : 0);
  if (count == -EAGAIN) return;
  if (count <= 0) return Fail();
  Judge();
}

void ProtocolDetection::Judge() {
  const size_t fresh = early.size() - parsed_;
  parsed_ = early.size();
  const std::string_view all = early.Linearize(early.size());
  switch (hello_.Feed(all.substr(all.size() - fresh))) {
    case tls::HelloVerdict::kNeedMore:
      return;
    case tls::HelloVerdict::kMalformed:
      return Fail();
    case tls::HelloVerdict::kNotTls:
      break;
    case tls::HelloVerdict::kHello:
      offer.is_tls = true;
      offer.server_name = hello_.hello().sni;
      offer.application_protocols = hello_.hello().alpn;
      break;
  }
  Detected();
}

void ProtocolDetection::OnTimeout() { judge_at_timeout_ ? Detected() : Fail(); }

void ProtocolDetection::Detected() {
  deadline_.Clear();
  socket->Watch(nullptr, false, false);
  owner_.OnDetected(*this);
}

void ProtocolDetection::Fail() {
  deadline_.Clear();
  socket->Watch(nullptr, false, false);
  owner_.OnDetectionFailed(*this);
}

}  // namespace tulle::proxy
