#include "sidecar/proxy/connection_opening.h"

#include <algorithm>

#include "sidecar/proxy/http_sniff.h"

namespace tulle::proxy {

ConnectionOpening::ConnectionOpening(Services& services, const HttpChain& chain,
                                     std::unique_ptr<Transport> transport,
                                     ConnectionOpeningEvents& events)
    : services_(services),
      chain_(chain),
      events_(events),
      transport_(std::move(transport)),
      early_(services.loop.slab()),
      deadline_(this, [](void* self) {
        static_cast<ConnectionOpening*>(self)->Fail(
            {FailureKind::kTlsFailed, "TLS handshake timeout"});
      }) {}

void ConnectionOpening::Start(Buffer& early) {
  early_.Append(early);
  transport_->SetEvents(this);
  const config::Milliseconds handshake = chain_.owner->handshake_timeout;
  if (handshake.count() > 0) services_.deadlines.Set(deadline_, handshake);
}

std::unique_ptr<Transport> ConnectionOpening::TakeTransport() {
  deadline_.Clear();
  transport_->SetEvents(nullptr);
  return std::move(transport_);
}

void ConnectionOpening::Close() {
  deadline_.Clear();
  if (transport_ != nullptr) transport_->Close(false);
}

void ConnectionOpening::Fail(Failure why) {
  events_.OnOpeningFailed(why);
  Close();
}

void ConnectionOpening::OnTransportReady() {
  if (!events_.OnTransportReady()) return Fail({});
  ChooseVersion();
}

void ConnectionOpening::OnTransportReadable() {
  const ReadResult result = transport_->Read(early_, 16 * 1024);
  if (result.status == ReadStatus::kWouldBlock) return;
  if (result.status != ReadStatus::kOk) return Fail({});
  ChooseVersion();
}

// Configured, negotiated, or seen in the first bytes.
void ConnectionOpening::ChooseVersion() {
  using enum upstream::HttpVersion;
  const config::CodecChoice codec = chain_.spec.codec;
  if (codec == config::CodecChoice::kHttp1) return events_.OnVersion(k1);
  if (codec == config::CodecChoice::kHttp2) return events_.OnVersion(k2);
  const std::string_view alpn = transport_->alpn();
  if (!alpn.empty()) return events_.OnVersion(alpn == "h2" ? k2 : k1);
  const size_t seen = std::min(early_.size(), kHttp2Preface.size());
  if (early_.Linearize(seen) != kHttp2Preface.substr(0, seen)) return events_.OnVersion(k1);
  if (seen == kHttp2Preface.size()) return events_.OnVersion(k2);
  transport_->EnableRead(true);
}

}  // namespace tulle::proxy
