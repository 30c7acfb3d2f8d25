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
  if (count <= 0) return Fail(DetectionVerdict::kClosed);
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
        return Fail(DetectionVerdict::kMalformedTls);
      case tls::HelloVerdict::kNotTls:
        not_tls_ = true;
        break;
      case tls::HelloVerdict::kHello:
        offer.is_tls = true;
        offer.server_name = hello_.hello().sni;
        offer.application_protocols = hello_.hello().alpn;
        return Detected(DetectionVerdict::kTls);
    }
  }
  if (!inspect_http_) return Detected(DetectionVerdict::kNotTls);
  if (const std::optional<DetectionVerdict> http = DecideHttp()) Detected(*http);
}

// Empty: not decided yet. The names are those of FilterChainMatch.application_protocols.
std::optional<DetectionVerdict> ProtocolDetection::DecideHttp() {
  const auto is = [this](const char* name, DetectionVerdict what) {
    offer.application_protocols.emplace_back(name);
    return what;
  };
  switch (SniffHttp(early.Linearize(early.size()))) {
    case HttpVerdict::kNeedMore:
      return std::nullopt;
    case HttpVerdict::kHttp10:
      return is("http/1.0", DetectionVerdict::kHttp1);
    case HttpVerdict::kHttp11:
      return is("http/1.1", DetectionVerdict::kHttp1);
    case HttpVerdict::kHttp2:
      return is("h2c", DetectionVerdict::kHttp2);
    case HttpVerdict::kNotHttp:
      break;
  }
  return DetectionVerdict::kTcp;
}

void ProtocolDetection::OnTimeout() {
  decide_at_timeout_ ? Detected(DetectionVerdict::kTimeout) : Fail(DetectionVerdict::kTimeout);
}

void ProtocolDetection::Rest() {
  deadline_.Clear();
  silence_.Clear();
  socket->Watch(nullptr, false, false);
}

void ProtocolDetection::Detected(DetectionVerdict as) {
  verdict = as;
  Rest();
  owner_.OnDetected(*this);
}

void ProtocolDetection::Fail(DetectionVerdict why) {
  verdict = why;
  Rest();
  owner_.OnDetectionFailed(*this);
}

}  // namespace tulle::proxy
