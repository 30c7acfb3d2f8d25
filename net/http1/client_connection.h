#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "net/http/connection.h"
#include "net/http1/encoder.h"
#include "net/http1/parser.h"
#include "net/http1/wire.h"

namespace tulle::http1 {

struct ClientOptions {
  // For responses. Envoy allows response heads of 80 KiB.
  http::Limits limits{.head_bytes = 80 * 1024, .line_bytes = 80 * 1024};
  // How long a finished connection lingers after its last bytes.
  loop::Duration close_timeout = std::chrono::seconds(1);
};

// HTTP/1.1 to an upstream: one stream at a time, never pipelined. The connection is reused after an
// exchange that was complete and clean on both sides; unsolicited bytes, an early response, or
// Connection: close ends it. The failure kind of OnReset says how far the request got:
// kUpstreamClosedUnused (nothing of it was written), kUpstreamClosedUnread (the peer read none of
// it), kUpstreamClosed and kUpstreamReset (no byte of a response), kUpstreamProtocol,
// kUpstreamTruncated (after the response head). After a requested 101 the stream carries bytes, and
// its end is the connection's. CONNECT is not sent: it makes the connection itself a tunnel, and is
// answered here, with 200 and `upgrade` "CONNECT". OnConnectionClosed waits for the stream's
// Detach. Owner, thread, call order: http::ClientConnection.
class ClientConnection final : public http::ClientConnection, private WireEvents {
 public:
  // `events` and `deadlines` must outlive the connection. `transport` may still be connecting.
  ClientConnection(loop::Loop& loop, loop::Deadlines& deadlines,
                   std::unique_ptr<Transport> transport, http::ClientConnectionEvents& events,
                   const ClientOptions& options);
  ~ClientConnection() override;

  void Start() override;
  size_t StreamRoom() const override;
  http::Stream& Open(http::StreamEvents& events) override;
  size_t active_streams() const override { return stream_.open ? 1 : 0; }
  bool used() const override { return used_; }
  void Drain() override;
  void Close() override;
  void ResetUpgraded() override;
  Transport& transport() override { return wire_.transport(); }

 private:
  static constexpr std::string_view kConnect = "CONNECT";

  enum class State : uint8_t {
    kConnecting,
    kIdle,
    kHead,      // waiting for a response
    kContent,   //
    kReceived,  // the complete response was received
    kUpgraded,  // bytes in both directions
    kClosing,
  };

  // The only stream, reused for each request.
  class Stream final : public http::Stream {
   public:
    explicit Stream(ClientConnection& connection) : connection_(connection) {}
    void SendInterim(const http::Head&) override {}
    void SendHeaders(const http::Head& head, bool end) override;
    void SendData(Buffer& data, bool end) override;
    void SendTrailers(const http::HeaderMap& trailers) override;
    size_t SendRoom() const override;
    void Pull(size_t bytes) override;
    void Reset(Failure why) override;
    void Detach() override;
    uint64_t bytes_on_wire() const override;
    size_t held_bytes() const override;

    void Clear();
    void Ended(bool end);
    bool takes_content() const { return user != nullptr && head_sent && !ended; }

    http::StreamEvents* user = nullptr;  // null after OnReset, Reset and Detach
    bool open = false;                   // in use: from Open to Detach or Reset
    bool head_sent = false;
    bool ended = false;      // our request is complete
    bool refused = false;    // the head could not be encoded
    bool withdrawn = false;  // by Reset
    bool cut = false;        // the response came before the whole request was sent
    bool room_gone = false;
    bool bytes_ended = false;  // upgraded: the peer's end was delivered
    bool tunnel = false;
    std::string_view upgrade;  // the requested protocol; in the user's arena
    size_t credit = 0;
    size_t interims = 0;
    uint64_t mark = 0;       // start of our message in the connection's output
    uint64_t wire_mark = 0;  // the same in bytes of the TCP stream

   private:
    ClientConnection& connection_;
  };

  void OnWireReady() override;
  void OnWireInput() override;
  void OnWireFailed(Failure failure) override;
  void OnWireTurn() override;
  void OnWireOutput() override;
  void OnWireClosed() override;

  // Advances as far as input, credit and the request allow.
  void Advance();
  // One step of Advance each; false: no further progress is possible now.
  bool WatchIdle();
  // Fails the stream whose request could not be encoded.
  bool MayReceive();
  bool ReceiveHead();
  bool ReceiveContent();
  bool FinishExchange();
  bool FinishHead();
  bool FinishUpgrade(http::Head& head);
  bool BeginTunnel();
  void BeginBytes(http::Head& head);
  bool ReceiveBytes();
  bool LeaveUpgraded();
  // The user detached before the response was complete.
  bool Abandon();
  bool BecomeIdle();

  Failure EndBeforeHead();
  bool Fail(Failure failure);
  bool CloseNow(Failure why, bool reset);
  void NotifyClosed();

  http::ClientConnectionEvents& events_;
  const ClientOptions options_;
  Wire wire_;
  Parser parser_;
  Encoder encoder_;
  Stream stream_;
  State state_ = State::kConnecting;
  bool used_ = false;
  bool draining_ = false;
  bool unwelcome_ = false;  // the peer may not keep an upgraded stream
  bool told_closed_ = false;
  bool bytes_seen_ = false;  // of the response
  Failure why_;
};

}  // namespace tulle::http1
