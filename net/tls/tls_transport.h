#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/peer_verification.h"
#include "net/tls/record_wire.h"
#include "net/tls/tls_profile.h"

namespace tulle::tls {

// TLS over one socket. Follows the contract of Transport, and beyond it:
//  * OnTransportReady comes when the handshake is complete and the peer verified. The handshake
//    fails when it takes longer than the profile allows, counted from the TCP connection.
//  * In steady state one Read is one read system call, and a Write of up to 64 KiB one write system
//    call; BoringSSL's buffers come from the loop's slab. An idle connection holds no buffers.
//  * kEnd comes after close_notify only; a FIN without it is a failure (truncation, RFC 8446 6.1).
class TlsTransport final : public Transport, private loop::SocketEvents, private loop::TurnEnd {
 public:
  // Server side.
  TlsTransport(loop::Loop& loop, std::unique_ptr<loop::Socket> socket, Buffer already_read,
               std::shared_ptr<const TlsProfile> profile);
  // Client side.
  TlsTransport(loop::Loop& loop, const SocketAddress& to, const SocketAddress& source,
               std::shared_ptr<const TlsProfile> profile);

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
  TlsTerms tls_terms() const override;
  std::string_view alpn() const override;
  std::string_view sni() const override;
  bool IsQuiet() override;
  uint64_t bytes_written() const override { return bytes_written_; }
  uint64_t wire_bytes_written() const override { return wire_.written(); }
  bool ClosedUnreadSince(uint64_t mark) override;

 private:
  enum class State : uint8_t { kConnecting, kHandshaking, kOpen, kFailed, kClosed };

  // False: out of memory; Fail() was called.
  bool MakeSsl();
  void OnSocketReady(int error, bool readable, bool writable) override;
  void OnTurnEnd() override;
  void FinishConnect();
  void BeginHandshake();
  void OnHandshakeReadable();
  void StepHandshake();
  void FinishHandshake();
  void FailHandshake();
  void OnWritable();

  // Decrypts to the end of `into` until `limit`, the end of the input, or an error.
  ReadResult Decrypt(Buffer& into, size_t limit);
  ReadResult EndOfInput(ssize_t count);
  // The meaning of SSL_read's error; kWouldBlock: more input is needed.
  ReadStatus Explain(int result);
  // Seals up to a batch of records into the wire, moving their plaintext from the front of `from`
  // to the end of `sealed`.
  bool Seal(Buffer& from, Buffer& sealed);
  void HoldBack(Buffer& sealed, Buffer& from);
  // False if output is left (then writability is watched) or the transport has failed.
  bool Flush();
  void SendFinIfDue();

  bool HasBuffered() const;
  Failure Lost(int error) const;
  void Fail(Failure failure);
  void FailWrite(int error);
  void UpdateWatch();

  loop::Loop& loop_;
  std::shared_ptr<const TlsProfile> profile_;
  State state_;
  bool read_enabled_ = false;
  bool end_seen_ = false;        // close_notify was decrypted
  bool read_ended_ = false;      // kEnd or kFailed was returned
  bool caller_blocked_ = false;  // Write left bytes unwritten
  bool shutdown_ = false;        // close_notify is queued or sent
  bool fin_sent_ = false;
  bool read_large_ = false;
  bool got_data_ = false;  // the peer has sent application data, so it accepted our certificate
  int write_error_ = 0;    // reported after the bytes that the peer had sent before are read
  Failure failure_;
  TransportEvents* events_ = nullptr;
  std::unique_ptr<loop::Socket> socket_;
  std::unique_ptr<loop::Timer> handshake_timer_;
  // Bytes at the front of the caller's buffer that are already in the wire: removed at its next
  // Write.
  size_t sealed_ahead_ = 0;
  uint64_t bytes_written_ = 0;
  bool fin_came_ = false;  // before any RST
  PeerVerification verification_;
  RecordWire wire_;
  bssl::UniquePtr<SSL> ssl_;  // destroyed before the wire, which its BIO borrows
};

}  // namespace tulle::tls
