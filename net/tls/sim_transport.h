#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/peer_verification.h"
#include "net/tls/sim_wire.h"

namespace tulle::tls {

// The configuration that a simulated acceptor or connector shares with its transports. Immutable.
struct SimProfile {
  PeerRequirements requirements;
  std::vector<std::string> chain;  // DER; empty: none is presented
  std::vector<std::string> alpn;   // server: in order of preference; client: offered
  std::string sni;                 // client
  std::chrono::nanoseconds handshake_timeout{};

  bool is_server() const { return requirements.role == certs::PeerRole::kClient; }
};

// Simulated TLS over a plain transport: the handshake of sim_wire.h, then cleartext bytes. Follows
// the contract of Transport. As in TLS 1.3, a client is ready before the server has verified it,
// and learns of its refusal by reading.
class SimTransport final : public Transport, private TransportEvents, private loop::TurnEnd {
 public:
  SimTransport(loop::Loop& loop, std::unique_ptr<Transport> wire, const Buffer& already_read,
               std::shared_ptr<const SimProfile> profile);

  void SetEvents(TransportEvents* events) override { events_ = events; }
  ReadResult Read(Buffer& into, size_t limit) override;
  void Write(Buffer& from) override;
  void EnableRead(bool enabled) override;
  void ShutdownWrite() override;
  void Close(bool reset) override;
  Failure failure() const override { return failure_; }
  SocketAddress LocalAddress() const override;
  SocketAddress PeerAddress() const override;
  SocketAddress OriginalDestination() const override;
  const PeerIdentity* peer() const override { return verification_.peer.get(); }
  std::vector<std::string_view> peer_chain() const override;
  bool is_tls() const override { return true; }
  std::string_view alpn() const override { return alpn_; }
  std::string_view sni() const override { return sni_; }
  bool IsQuiet() override;
  uint64_t bytes_written() const override { return bytes_written_; }
  uint64_t wire_bytes_written() const override { return wire_ ? wire_->wire_bytes_written() : 0; }
  bool ClosedUnreadSince(uint64_t mark) override {
    return wire_ != nullptr && wire_->ClosedUnreadSince(mark);
  }

 private:
  enum class State : uint8_t {
    kConnecting,
    kAwaitHello,         // server
    kAwaitClientChain,   // server
    kAwaitServerFlight,  // client
    kAwaitVerdict,       // client: ready, reading waits for kAccepted
    kOpen,
    kFailed,
    kClosed,
  };

  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override;
  void OnTransportFailed(Failure why) override;
  void OnTurnEnd() override;

  // Reads frames until one is missing bytes or the handshake is over.
  void StepHandshake();
  // Reads the rest of the current frame: kOk when it is complete in frame_.
  ReadStatus ReadFrame();
  void OnFrame();
  void OnHello();
  void OnServerFlight(std::string_view body);
  void OnClientChain(std::string_view body);
  void OnVerdict(FrameType type);
  bool VerifyChain(std::vector<std::string> chain);

  bool is_ready() const { return state_ == State::kOpen || state_ == State::kAwaitVerdict; }
  void Announce(State next);
  void SendFrame(const std::string& frame);
  void Refuse(Failure why);
  void Fail(Failure why);

  loop::Loop& loop_;
  std::shared_ptr<const SimProfile> profile_;
  State state_ = State::kConnecting;
  bool read_enabled_ = false;
  Failure failure_;
  TransportEvents* events_ = nullptr;
  std::unique_ptr<Transport> wire_;
  std::unique_ptr<loop::Timer> handshake_timer_;
  PeerVerification verification_;
  Buffer frame_;
  Buffer output_;  // of the handshake
  std::string alpn_;
  std::string sni_;
  std::vector<std::string> peer_chain_;  // DER
  uint64_t bytes_written_ = 0;
};

}  // namespace tulle::tls
