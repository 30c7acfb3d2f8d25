// The handshake of simulated TLS, then cleartext.
#include "net/tls/sim_transport.h"

#include <algorithm>
#include <utility>

#include "net/tls/client_hello.h"

namespace tulle::tls {
namespace {

Failure Malformed() {
  return {FailureKind::kTlsFailed, "the peer does not speak TLS on this port"};
}

Failure Lost() {
  return {FailureKind::kTlsFailed, "the connection was lost during the TLS handshake"};
}

}  // namespace

SimTransport::SimTransport(loop::Loop& loop, std::unique_ptr<Transport> wire,
                           const Buffer& already_read, std::shared_ptr<const SimProfile> profile)
    : loop_(loop),
      profile_(std::move(profile)),
      wire_(std::move(wire)),
      verification_{&loop, &profile_->requirements, nullptr, std::nullopt},
      frame_(loop.slab()),
      output_(loop.slab()),
      sni_(profile_->sni) {
  frame_.AppendShared(already_read);
  handshake_timer_ = loop_.NewTimer([this] {
    Fail({FailureKind::kTlsFailed, "TLS handshake timeout: the peer may be overloaded"});
  });
  wire_->SetEvents(this);
}

void SimTransport::OnTransportReady() {
  handshake_timer_->Start(profile_->handshake_timeout);
  wire_->EnableRead(true);
  if (profile_->is_server()) {
    state_ = State::kAwaitHello;
    return StepHandshake();
  }
  state_ = State::kAwaitServerFlight;
  SendFrame(EncodeHello(profile_->sni, profile_->alpn));
}

void SimTransport::OnTransportReadable() {
  if (is_ready()) return events_->OnTransportReadable();
  StepHandshake();
}

void SimTransport::OnTransportWritable() {
  if (!output_.empty()) wire_->Write(output_);
  if (output_.empty() && is_ready()) events_->OnTransportWritable();
}

void SimTransport::OnTransportFailed(Failure why) {
  Fail(state_ == State::kConnecting || is_ready() ? why : Lost());
}

void SimTransport::OnTurnEnd() {
  if (state_ == State::kFailed) events_->OnTransportFailed(failure_);
}

void SimTransport::StepHandshake() {
  while (!is_ready() && state_ != State::kFailed && state_ != State::kClosed) {
    switch (ReadFrame()) {
      case ReadStatus::kOk:
        OnFrame();
        break;
      case ReadStatus::kWouldBlock:
        return;
      case ReadStatus::kEnd:
      case ReadStatus::kFailed:
        return Fail(Lost());
    }
  }
}

// Frame by frame and never past its end: bytes after the handshake belong to the caller.
ReadStatus SimTransport::ReadFrame() {
  while (true) {
    const size_t missing = MissingBytes(frame_.Linearize(frame_.size()));
    if (missing == 0) return ReadStatus::kOk;
    const ReadResult result = wire_->Read(frame_, missing);
    if (result.status != ReadStatus::kOk) return result.status;
  }
}

void SimTransport::OnFrame() {
  const std::string frame = frame_.ToString();
  const auto type = static_cast<FrameType>(frame[0]);
  if (state_ == State::kAwaitHello) return OnHello();
  frame_.Clear();
  const std::string_view body = std::string_view(frame).substr(kFrameHeader);
  if (state_ == State::kAwaitVerdict) return OnVerdict(type);
  if (type == FrameType::kAlert) return Fail(RefusedByPeer());
  if (type != FrameType::kHandshake) return Refuse(Malformed());
  if (state_ == State::kAwaitServerFlight) return OnServerFlight(body);
  OnClientChain(body);
}

void SimTransport::OnHello() {
  ClientHelloParser parser;
  const HelloVerdict verdict = parser.Feed(frame_.Linearize(frame_.size()));
  frame_.Clear();
  if (verdict != HelloVerdict::kHello) return Refuse(Malformed());
  sni_ = parser.hello().sni;
  const auto& offered = parser.hello().alpn;
  for (const std::string& ours : profile_->alpn) {
    if (std::find(offered.begin(), offered.end(), ours) == offered.end()) continue;
    alpn_ = ours;
    break;
  }
  state_ = State::kAwaitClientChain;
  SendFrame(EncodeFrame(FrameType::kHandshake, EncodeServerFlight({alpn_, profile_->chain})));
}

bool SimTransport::VerifyChain(std::vector<std::string> chain) {
  peer_chain_ = std::move(chain);
  return VerifyPeer(peer_chain(), verification_);
}

std::vector<std::string_view> SimTransport::peer_chain() const {
  return {peer_chain_.begin(), peer_chain_.end()};
}

void SimTransport::OnServerFlight(std::string_view body) {
  const auto flight = DecodeServerFlight(body);
  if (!flight.has_value()) return Refuse(Malformed());
  if (!VerifyChain(flight->chain)) return Refuse(RefusalOf(*verification_.refused));
  alpn_ = flight->alpn;
  SendFrame(EncodeFrame(FrameType::kHandshake, EncodeChain(profile_->chain)));
  Announce(State::kAwaitVerdict);
}

void SimTransport::OnClientChain(std::string_view body) {
  const auto chain = DecodeChain(body);
  if (!chain.has_value()) return Refuse(Malformed());
  const bool anonymous = chain->empty() && !profile_->requirements.require_certificate;
  if (!anonymous && !VerifyChain(*chain)) return Refuse(RefusalOf(*verification_.refused));
  SendFrame(EncodeFrame(FrameType::kAccepted, "+"));
  Announce(State::kOpen);
}

void SimTransport::OnVerdict(FrameType type) {
  if (type == FrameType::kAccepted) {
    state_ = State::kOpen;
  } else {
    Fail(RefusedByPeer());
  }
}

void SimTransport::Announce(State next) {
  handshake_timer_->Stop();
  state_ = next;
  wire_->EnableRead(read_enabled_);
  events_->OnTransportReady();
}

void SimTransport::SendFrame(const std::string& frame) {
  output_.Append(frame);
  wire_->Write(output_);
}

void SimTransport::Refuse(Failure why) {
  SendFrame(EncodeFrame(FrameType::kAlert, "!"));
  wire_->ShutdownWrite();
  Fail(why);
}

void SimTransport::Fail(Failure why) {
  failure_ = why;
  state_ = State::kFailed;
  handshake_timer_->Stop();
  wire_->EnableRead(false);
  loop_.AtTurnEnd(*this);
}

ReadResult SimTransport::Read(Buffer& into, size_t limit) {
  if (state_ == State::kFailed) return {ReadStatus::kFailed};
  if (state_ == State::kAwaitVerdict) {
    const ReadStatus status = ReadFrame();
    if (status == ReadStatus::kWouldBlock) return {status};
    if (status == ReadStatus::kOk) {
      OnFrame();
    } else if (status == ReadStatus::kEnd) {
      Fail(Lost());
    }
    if (state_ != State::kOpen) return {ReadStatus::kFailed};
  }
  if (state_ != State::kOpen) return {ReadStatus::kWouldBlock};
  return wire_->Read(into, limit);
}

void SimTransport::Write(Buffer& from) {
  if (!is_ready() || !output_.empty()) return;
  const size_t before = from.size();
  wire_->Write(from);
  bytes_written_ += before - from.size();
}

void SimTransport::EnableRead(bool enabled) {
  read_enabled_ = enabled;
  if (is_ready()) wire_->EnableRead(enabled);
}

void SimTransport::ShutdownWrite() {
  if (is_ready()) wire_->ShutdownWrite();
}

void SimTransport::Close(bool reset) {
  if (wire_ != nullptr) {
    wire_->Close(reset);
    loop_.DeferDelete(std::move(wire_));
  }
  handshake_timer_->Stop();
  state_ = State::kClosed;
  events_ = nullptr;
  Unlink();
}

SocketAddress SimTransport::LocalAddress() const {
  return wire_ ? wire_->LocalAddress() : SocketAddress();
}

SocketAddress SimTransport::PeerAddress() const {
  return wire_ ? wire_->PeerAddress() : SocketAddress();
}

SocketAddress SimTransport::OriginalDestination() const {
  return wire_ ? wire_->OriginalDestination() : SocketAddress();
}

bool SimTransport::IsQuiet() { return is_ready() && wire_->IsQuiet(); }

}  // namespace tulle::tls
