#include "sidecar/proxy/downstream_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "net/tls/peer_revalidation.h"
#include "net/tls/secure_transports.h"
#include "sidecar/proxy/codecs.h"

namespace tulle::proxy {
namespace {

// RFC 9113 3.4.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

DownstreamConnection::DownstreamConnection(DownstreamConnectionOwner& owner, Services& services,
                                           std::shared_ptr<HttpChain> chain,
                                           std::unique_ptr<Transport> transport)
    : owner_(owner),
      services_(services),
      chain_(std::move(chain)),
      transport_(std::move(transport)),
      early_(services.loop.slab()),
      handshake_deadline_(this, &DownstreamConnection::OnHandshakeTimeout),
      idle_deadline_(this, &DownstreamConnection::OnTimeToGo),
      age_deadline_(this, &DownstreamConnection::OnTimeToGo),
      retire_deadline_(this, &DownstreamConnection::OnRetired),
      verified_by_(chain_->owner->tls) {}

DownstreamConnection::~DownstreamConnection() = default;

void DownstreamConnection::Start(Buffer& early) {
  early_.Append(early);
  peer_address_ = transport_->PeerAddress();
  local_address_ = transport_->LocalAddress();
  transport_->SetEvents(this);
  const config::Milliseconds handshake = chain_->owner->handshake_timeout;
  if (handshake.count() > 0) services_.deadlines.Set(handshake_deadline_, handshake);
}

void DownstreamConnection::OnTransportReady() {
  is_tls_ = transport_->is_tls();
  sni_ = std::string(transport_->sni());
  absl::AsciiStrToLower(&sni_);
  caller_.emplace(*transport_);
  if (verified_by_ != chain_->owner->tls) {
    tls::PeerRevalidation revalidation(services_.loop);
    if (!revalidation.Passes(*transport_, verified_by_->requirements()))
      return OnTransportFailed({FailureKind::kPeerRefused});
  }
  ChooseCodec();
}

// Declared, negotiated, or seen in the first bytes.
void DownstreamConnection::ChooseCodec() {
  using enum upstream::HttpVersion;
  const config::CodecChoice codec = chain_->spec.codec;
  if (codec == config::CodecChoice::kHttp1) return Speak(k1);
  if (codec == config::CodecChoice::kHttp2) return Speak(k2);
  const std::string_view alpn = transport_->alpn();
  if (!alpn.empty()) return Speak(alpn == "h2" ? k2 : k1);
  const size_t seen = std::min(early_.size(), kHttp2Preface.size());
  if (early_.Linearize(seen) != kHttp2Preface.substr(0, seen)) return Speak(k1);
  if (seen == kHttp2Preface.size()) return Speak(k2);
  transport_->EnableRead(true);
}

void DownstreamConnection::OnTransportReadable() {
  const ReadResult result = transport_->Read(early_, 16 * 1024);
  if (result.status == ReadStatus::kWouldBlock) return;
  if (result.status != ReadStatus::kOk) return OnTransportFailed({FailureKind::kDownstreamClosed});
  ChooseCodec();
}

void DownstreamConnection::Speak(upstream::HttpVersion version) {
  handshake_deadline_.Clear();
  transport_->SetEvents(nullptr);
  codec_ = Accept(version, services_, chain_->spec, std::move(transport_), *this);
  is_http2_ = version == upstream::HttpVersion::k2;
  if (is_http2_) WatchIdle();
  const config::Milliseconds age = chain_->spec.max_connection_age;
  if (age.count() > 0) services_.deadlines.Set(age_deadline_, age);
  codec_->Start(early_);
  if (end_announced_) codec_->AnnounceEnd();
  if (draining_) codec_->Drain();
}

void DownstreamConnection::WatchIdle() {
  watches_idle_ = chain_->spec.idle_timeout.count() > 0;
  if (watches_idle_) services_.deadlines.Set(idle_deadline_, chain_->spec.idle_timeout);
}

void DownstreamConnection::OnTimeToGo(void* self) {
  static_cast<DownstreamConnection*>(self)->Drain();
}

void DownstreamConnection::OnHandshakeTimeout(void* self) {
  static_cast<DownstreamConnection*>(self)->OnTransportFailed(
      {FailureKind::kRequestHeadersTimeout, "handshake timeout"});
}

void DownstreamConnection::OnTransportFailed(Failure) {
  transport_->Close(false);
  Done();
}

http::StreamEvents* DownstreamConnection::OnStream(http::Stream& stream) {
  auto* exchange = new (services_.loop.slab()) Exchange(*this, stream);
  exchanges_.PushBack(*exchange);
  idle_deadline_.Clear();
  if (is_http2_) exchange->AwaitHead();
  if (++requests_ == chain_->spec.max_requests_per_connection) Drain();
  return exchange;
}

void DownstreamConnection::OnExchangeDone(Exchange& exchange) {
  static_cast<ListNode<Exchange>&>(exchange).Unlink();
  if (watches_idle_ && exchanges_.empty()) WatchIdle();
  services_.loop.DeferDelete(std::unique_ptr<Deletable>(&exchange));
}

void DownstreamConnection::OnConnectionClosed(Failure) { Done(); }

void DownstreamConnection::AnnounceEnd() {
  end_announced_ = true;
  if (codec_ != nullptr) codec_->AnnounceEnd();
}

void DownstreamConnection::Drain() {
  draining_ = true;
  if (codec_ != nullptr) codec_->Drain();
}

void DownstreamConnection::Retire(loop::Duration within) {
  if (!retire_deadline_.is_set()) services_.deadlines.Set(retire_deadline_, within);
  Drain();
}

void DownstreamConnection::OnRetired(void* self) {
  auto& connection = *static_cast<DownstreamConnection*>(self);
  connection.Close();
  connection.owner_.OnDownstreamDone(connection);
}

void DownstreamConnection::RevalidatePeer(tls::PeerRevalidation& revalidation,
                                          std::shared_ptr<const tls::SecureAcceptor> by) {
  if (by == nullptr || by == verified_by_) return;
  const auto before = std::exchange(verified_by_, std::move(by));
  if (!caller_.has_value()) return;  // judged when the handshake is through
  if (before != nullptr &&
      revalidation.Widens(before->requirements(), verified_by_->requirements()))
    return;
  if (revalidation.Passes(transport(), verified_by_->requirements())) return;
  if (codec_ != nullptr) {
    codec_->ResetUpgraded();
    return Drain();
  }
  OnTransportFailed({FailureKind::kPeerRefused});
}

void DownstreamConnection::JudgeUpgraded(const config::HttpSpec& spec) {
  exchanges_.ForEach([&](Exchange& exchange) { exchange.JudgeUpgraded(spec); });
}

Exchange* DownstreamConnection::Largest(size_t& least) {
  Exchange* largest = nullptr;
  exchanges_.ForEach([&](Exchange& exchange) {
    const size_t held = exchange.held_bytes();
    if (held <= least) return;
    least = held;
    largest = &exchange;
  });
  return largest;
}

void DownstreamConnection::Close() {
  ClearDeadlines();
  while (!exchanges_.empty()) exchanges_.front().Abort({FailureKind::kDraining});
  if (codec_ != nullptr) {
    codec_->Close();
  } else if (transport_ != nullptr) {
    transport_->Close(false);
  }
}

void DownstreamConnection::ClearDeadlines() {
  watches_idle_ = false;
  for (loop::Deadline* deadline :
       {&handshake_deadline_, &idle_deadline_, &age_deadline_, &retire_deadline_})
    deadline->Clear();
}

void DownstreamConnection::Done() {
  ClearDeadlines();
  owner_.OnDownstreamDone(*this);
}

const PeerIdentity* DownstreamConnection::peer() const { return transport().peer(); }

// By names us, the rest the peer. Source: x-forwarded-client-cert in Envoy's documentation of HTTP
// headers.
const std::string& DownstreamConnection::client_certificate_element() {
  const PeerIdentity* peer = this->peer();
  if (peer == nullptr || !client_certificate_element_.empty()) return client_certificate_element_;
  std::string& element = client_certificate_element_;
  const config::HttpSpec& spec = chain_->spec;
  if (const std::string& own = chain_->owner->own_identity; !own.empty())
    element += "By=" + own + ";";
  element += "Hash=" + peer->certificate_sha256;
  if (spec.forward_subject) element += ";Subject=\"" + peer->subject + "\"";
  if (spec.forward_uri) element += ";URI=" + peer->spiffe_id;
  if (spec.forward_dns) {
    for (const std::string& name : peer->dns_sans) element += ";DNS=" + name;
  }
  return element;
}

}  // namespace tulle::proxy
