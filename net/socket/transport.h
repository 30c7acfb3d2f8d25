#pragma once

#include <cstddef>
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
// another connection. Codecs and relays see nothing below it.
namespace tulle {

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // Once, before any other event but OnTransportFailed: connected, and for TLS the handshake is
  // done and the peer verified.
  virtual void OnTransportReady() = 0;
  // There may be bytes, or the end: call Read. Comes only while reading is enabled.
  virtual void OnTransportReadable() = 0;
  // After Write left bytes behind: there is room again.
  virtual void OnTransportWritable() = 0;
  // The transport is of no more use (connect failed, handshake failed, reset). Bytes not yet read
  // are lost. No event follows.
  virtual void OnTransportFailed(Failure failure) = 0;
};

// Who is at the other end of a TLS transport; verified. Immutable, valid as long as the transport.
struct PeerIdentity {
  std::string spiffe_id;           // empty: no URI SAN
  std::string subject;             // RFC 2253, as Envoy prints it in XFCC
  std::string certificate_sha256;  // hex, of the leaf's DER
  std::vector<std::string> dns_sans;
  int64_t not_after = 0;  // seconds since the epoch
};

enum class ReadStatus { kOk, kWouldBlock, kEnd, kFailed };

struct ReadResult {
  ReadStatus status;
  size_t bytes = 0;
};

// Owner: one connection (codec or relay). Thread: the loop's. Let it go with loop.DeferDelete after
// Close().
class Transport : public Deletable {
 public:
  // `events` outlives the transport or is replaced before it goes.
  virtual void SetEvents(TransportEvents* events) = 0;

  // Reads what is there, at most about `limit` bytes, to the end of `into`. One read system call at
  // most. kOk with fewer than `limit` bytes means: wait for the next OnTransportReadable. kEnd: the
  // peer's orderly end (FIN, for TLS after close_notify); kFailed: with failure().
  virtual ReadResult Read(Buffer& into, size_t limit) = 0;
  // Takes from the front of `from` what can be written now. What stays is offered again by the
  // caller on OnTransportWritable. Errors are reported by OnTransportFailed at the end of the turn,
  // not here.
  virtual void Write(Buffer& from) = 0;
  // Whether OnTransportReadable may come. Starts disabled; the end of the stream and errors are
  // also only seen while enabled.
  virtual void EnableRead(bool enabled) = 0;
  // After all that was written: FIN (TLS: close_notify, then FIN). Reading goes on.
  virtual void ShutdownWrite() = 0;
  // No event follows. `reset`: the peer shall see an abort (RST), never a clean end.
  virtual void Close(bool reset) = 0;

  virtual Failure failure() const = 0;
  virtual SocketAddress LocalAddress() const = 0;
  virtual SocketAddress PeerAddress() const = 0;
  virtual SocketAddress OriginalDestination() const = 0;
  // Null for plaintext, or TLS without a client certificate.
  virtual const PeerIdentity* peer() const = 0;
  // The certificates that the peer has presented: DER, leaf first. Not on the data path.
  virtual std::vector<std::string_view> peer_chain() const { return {}; }
  virtual bool is_tls() const = 0;
  // Empty when none was negotiated.
  virtual std::string_view alpn() const = 0;
  virtual std::string_view sni() const = 0;
  // For an idle pooled connection: whether the peer has closed it or sent something unasked, looked
  // up now.
  virtual bool IsQuiet() = 0;
  // Whether nothing was ever written to the wire since `mark` bytes; total application bytes handed
  // to the kernel.
  virtual uint64_t bytes_written() const = 0;
  // The same below TLS: bytes of the TCP stream. Compared with AcknowledgedBytes.
  virtual uint64_t wire_bytes_written() const { return bytes_written(); }
  // After the end of the stream: whether the peer's FIN came first (no RST before it), and its TCP
  // has acknowledged no more than the first `mark` bytes of what wire_bytes_written counts. True:
  // nobody has read what came after `mark`.
  virtual bool ClosedUnreadSince(uint64_t mark) {
    static_cast<void>(mark);
    return false;
  }
};

}  // namespace tulle
