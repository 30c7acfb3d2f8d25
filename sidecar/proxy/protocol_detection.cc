#include "sidecar/proxy/protocol_detection.h"

#include <utility>

#include "sidecar/proxy/http_sniff.h"

namespace tulle::proxy {

ProtocolDetection::ProtocolDetection(ProtocolDetectionOwner& owner, loop::Loop& loop,
                                     loop::Deadlines& deadlines,
                                     std::unique_ptr<loop::Socket> accepted)
    : socket(std::move(accepted)),
      early(loop.slab()),
      arrived(loop.Now()),
      owner_(owner),
      deadlines_(deadlines),
      deadline_(this, [](void* self) { static_cast<ProtocolDetection*>(self)->OnTimeout(); }),
      silence_(this, [](void* self) {
        auto& detection = *static_cast<ProtocolDetection*>(self);
        detection.owner_.OnSilence(detection);
      }) {}

void ProtocolDetection::Start(const Options& options) {
  decide_at_timeout_ = options.decide_at_timeout;
  inspect_http_ = options.inspect_http;
  if (options.timeout.count() > 0) deadlines_.Set(deadline_, options.timeout);
  if (options.silence.count() > 0) deadlines_.Set(silence_, options.silence);
  socket->Watch(this, true, false);
}

void ProtocolDetection::DecideAfter(config::Milliseconds time) {
  decide_at_timeout_ = true;
  deadlines_.Set(deadline_, time);
}

void ProtocolDetection::OnSocketReady(int, bool, bool) {
  const std::span<char> room = early.Reserve(16 * 1024);
  const iovec into{room.data(), room.size()};
  const ssize_t count = socket->Readv({&into, 1});
  early.Commit(count > 0 ? static_cast<size_t>(count) : 0);
  if (count == -EAGAIN) return;
  if (count <= 0) return Fail();
  silence_.Clear();
  Decide();
}

void ProtocolDetection::Decide() {
  const size_t fresh = early.size() - parsed_;
  parsed_ = early.size();
  const std::string_view all = early.Linearize(early.size());
  if (!not_tls_) {
    switch (hello_.Feed(all.substr(all.size() - fresh))) {
      case tls::HelloVerdict::kNeedMore:
        return;
      case tls::HelloVerdict::kMalformed:
        return Fail();
      case tls::HelloVerdict::kNotTls:
        not_tls_ = true;
        break;
      case tls::HelloVerdict::kHello:
        offer.is_tls = true;
        offer.server_name = hello_.hello().sni;
        offer.application_protocols = hello_.hello().alpn;
        return Detected();
    }
  }
  if (!inspect_http_ || DecideHttp()) Detected();
}

// True once it is decided. The names are those of FilterChainMatch.application_protocols.
bool ProtocolDetection::DecideHttp() {
  const char* name = nullptr;
  switch (SniffHttp(early.Linearize(early.size()))) {
    case HttpVerdict::kNeedMore:
      return false;
    case HttpVerdict::kHttp10:
      name = "http/1.0";
      break;
    case HttpVerdict::kHttp11:
      name = "http/1.1";
      break;
    case HttpVerdict::kHttp2:
      name = "h2c";
      break;
    case HttpVerdict::kNotHttp:
      return true;
  }
  offer.application_protocols.emplace_back(name);
  return true;
}

void ProtocolDetection::OnTimeout() { decide_at_timeout_ ? Detected() : Fail(); }

void ProtocolDetection::Rest() {
  deadline_.Clear();
  silence_.Clear();
  socket->Watch(nullptr, false, false);
}

void ProtocolDetection::Detected() {
  Rest();
  owner_.OnDetected(*this);
}

void ProtocolDetection::Fail() {
  Rest();
  owner_.OnDetectionFailed(*this);
}

}  // namespace tulle::proxy
