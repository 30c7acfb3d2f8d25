#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/buffer.h"
#include "net/base/deletable.h"
#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"

// The byte stream seam: plain TCP (net/socket), TLS (net/tls), simulated TLS, or a stream of
// another connection. Codecs and relays know nothing below it.
namespace tulle {

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // Once, before any other event except OnTransportFailed: the connection is established and, for
  // TLS, the handshake has completed and the peer is verified.
  virtual void OnTransportReady() = 0;
  // Bytes or the end of the stream may be available: call Read. Only while reading is enabled.
  virtual void OnTransportReadable() = 0;
  // After Write left bytes unwritten: there is space again.
  virtual void OnTransportWritable() = 0;
  // The transport can no longer be used (connect failed, handshake failed, reset). Unread bytes are
  // lost. No event follows.
  virtual void OnTransportFailed(Failure failure) = 0;
};

// The verified identity of a TLS peer. Immutable; valid as long as the transport.
struct PeerIdentity {
  std::string spiffe_id;           // empty: no URI SAN
  std::string subject;             // RFC 2253, as Envoy prints it in XFCC
  std::string issuer;              // the same
  std::string serial;              // hex
  std::string certificate_sha256;  // hex, of the leaf's DER
  std::string labels;              // as it says of itself: certs/workload_labels.h; empty: none
  std::vector<std::string> dns_sans;
  int64_t not_before = 0;  // seconds since the epoch
  int64_t not_after = 0;
};

// What a handshake has agreed on, by IANA's numbers; 0: no TLS. Names: net/tls/tls_names.h.
struct TlsTerms {
  uint16_t version = 0;
  uint16_t cipher = 0;
};

enum class ReadStatus { kOk, kWouldBlock, kEnd, kFailed };

struct ReadResult {
  ReadStatus status;
  size_t bytes = 0;
};

// Owner: one connection (codec or relay). Thread: the loop's. Release it with loop.DeferDelete
// after Close().
class Transport : public Deletable {
 public:
  // `events` must outlive the transport or be replaced before it is destroyed.
  virtual void SetEvents(TransportEvents* events) = 0;

  // Appends the available bytes, at most about `limit`, to `into`. At most one read system call.
  // kOk with fewer than `limit` bytes: wait for the next OnTransportReadable. kEnd: the peer ended
  // the stream in an orderly way (FIN; for TLS after close_notify). kFailed: see failure().
  virtual ReadResult Read(Buffer& into, size_t limit) = 0;
  // Removes from the front of `from` what can be written now. The caller offers the rest again on
  // OnTransportWritable. Errors are reported by OnTransportFailed at the end of the turn, not here.
  virtual void Write(Buffer& from) = 0;
  // Whether OnTransportReadable may be called. Disabled at first. The end of the stream and errors
  // are also only seen while enabled.
  virtual void EnableRead(bool enabled) = 0;
  // Sends FIN after everything written so far (TLS: close_notify, then FIN). Reading continues.
  virtual void ShutdownWrite() = 0;
  // No event follows. `reset`: the peer sees an abort (RST), never a clean end.
  virtual void Close(bool reset) = 0;

  virtual Failure failure() const = 0;
  virtual SocketAddress LocalAddress() const = 0;
  virtual SocketAddress PeerAddress() const = 0;
  virtual SocketAddress OriginalDestination() const = 0;
  // Null for plaintext, or TLS without a client certificate.
  virtual const PeerIdentity* peer() const = 0;
  // The certificates that the peer presented: DER, leaf first. Not for the data path.
  virtual std::vector<std::string_view> peer_chain() const { return {}; }
  virtual bool is_tls() const = 0;
  // Once it is ready.
  virtual TlsTerms tls_terms() const { return {}; }
  // Empty when no protocol was negotiated.
  virtual std::string_view alpn() const = 0;
  virtual std::string_view sni() const = 0;
  // For an idle pooled connection: checks now whether the peer has closed it or sent unsolicited
  // bytes.
  virtual bool IsQuiet() = 0;
  // Whether nothing was written to the wire since `mark` bytes; and the total number of application
  // bytes handed to the kernel.
  virtual uint64_t bytes_written() const = 0;
  // The same counted below TLS: bytes of the TCP stream. Comparable with AcknowledgedBytes.
  virtual uint64_t wire_bytes_written() const { return bytes_written(); }
  // After the end of the stream: whether the peer's FIN came first (no RST before it) and its TCP
  // acknowledged at most the first `mark` bytes counted by wire_bytes_written. True proves that the
  // peer's application read nothing after `mark`.
  virtual bool ClosedUnreadSince(uint64_t mark) {
    static_cast<void>(mark);
    return false;
  }
};

}  // namespace tulle
