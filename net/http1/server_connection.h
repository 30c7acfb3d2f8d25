#pragma once

#include <chrono>
#include <memory>

#include "net/http/connection.h"
#include "net/http1/encoder.h"
#include "net/http1/parser.h"
#include "net/http1/wire.h"

namespace tulle::http1 {

struct ServerOptions {
  http::Limits limits;
  Http10 http10;  // its default_host must outlive the connection
  // From the first byte of a request to the end of its head; then 408. 0: none.
  loop::Duration head_timeout = std::chrono::seconds(10);
  // Between requests; 0: none.
  loop::Duration idle_timeout = std::chrono::hours(1);
  // How long the connection lingers after its last bytes (Envoy's delayed_close_timeout).
  loop::Duration close_timeout = std::chrono::seconds(1);
  // How much of an unneeded request body is read and dropped to keep the connection open.
  size_t discard_bytes = 64 * 1024;
};

// HTTP/1.1 to a downstream: one request at a time, in order; a pipelined request waits, with at
// most one read of it in memory. A request that cannot be served is answered here, from the failure
// table, after OnReset on its stream. Seen from the peer:
//
// (request response)* then close, or (request response)* request 101 bytes, or the same with
// CONNECT and 200.
//
// Bytes that a peer sends after a request to upgrade wait for the response: they are forwarded
// after 101, and never read as a request. Any other response ends the connection if such bytes have
// arrived. An HTTP/1.0 client, where those are accepted, gets neither chunks nor interim responses,
// and its connection stays open only if it asks for that and the length of the response is known.
// A peer that sends its FIN before it has its response is taken to have cancelled, as in
// Envoy. OnConnectionClosed waits for the stream's Detach. Owner, thread, call order:
// http::ServerConnection.
class ServerConnection final : public http::ServerConnection, private WireEvents {
 public:
  // `events` and `deadlines` must outlive the connection.
  ServerConnection(loop::Loop& loop, loop::Deadlines& deadlines,
                   std::unique_ptr<Transport> transport, http::ServerConnectionEvents& events,
                   const ServerOptions& options);
  ~ServerConnection() override;

  void Start(Buffer& early) override;
  void AnnounceEnd() override { last_ = true; }
  void Drain() override;
  void Close() override;
  void ResetUpgraded() override;
  Transport& transport() override { return wire_.transport(); }
  size_t active_streams() const override { return stream_.open ? 1 : 0; }

 private:
  // The progress of the current request.
  enum class State : uint8_t {
    kIdle,      // between requests
    kHead,      //
    kContent,   //
    kReceived,  // completely received; the response is not finished
    kDiscard,   // the response is finished; the rest of the request is read and dropped
    kUpgraded,  // bytes in both directions
    kClosing,
  };

  // The only stream, reused for each request.
  class Stream final : public http::Stream {
   public:
    explicit Stream(ServerConnection& connection) : connection_(connection) {}
    void SendInterim(const http::Head& head) override;
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

    http::StreamEvents* user = nullptr;  // null after OnReset, Reset and Detach
    bool open = false;                   // in use: from OnStream to Detach or Reset
    bool head_sent = false;
    bool ended = false;  // our response is complete
    bool close = false;  // the connection closes after it
    bool to_head = false;
    bool http10 = false;
    bool expects_continue = false;
    bool room_gone = false;
    bool upgrade_wanted = false;
    bool bytes_ended = false;  // upgraded: the peer's end was delivered
    size_t credit = 0;
    uint64_t mark = 0;  // start of our message in the connection's output

   private:
    ServerConnection& connection_;
  };

  void OnWireReady() override {}
  void OnWireInput() override;
  void OnWireFailed(Failure failure) override;
  void OnWireTurn() override;
  void OnWireOutput() override;
  void OnWireClosed() override;

  // Advances as far as input, credit and the response allow.
  void Advance();
  // One step of Advance each; false: no further progress is possible now.
  bool Begin();
  bool ReceiveHead();
  bool ReceiveContent();
  bool FinishRequest();
  bool Discard();
  bool ReceiveBytes();
  bool LeaveUpgraded();
  // The client has sent bytes after its request to upgrade.
  bool UpgradeAnticipated();

  void StartHeadTimeout();
  void WaitForInput();
  // Resets the stream, replies if nothing was sent yet, and closes.
  void Refuse(Failure failure);
  void ResetStream(Failure failure);
  void CloseAfterOutput(Failure why);
  void Abort(Failure why);
  void OnDeadline();
  void NotifyClosed();

  loop::Deadlines& deadlines_;
  http::ServerConnectionEvents& events_;
  const ServerOptions options_;
  Wire wire_;
  Parser parser_;
  Encoder encoder_;
  Stream stream_;
  State state_ = State::kIdle;
  bool draining_ = false;
  bool unwelcome_ = false;  // the peer may not keep an upgraded stream
  bool last_ = false;       // the next response that begins is the last
  bool looked_once_more_ = false;
  bool told_closed_ = false;
  size_t discarded_ = 0;
  Arena discard_arena_;
  Failure why_;
  loop::Deadline deadline_;
};

}  // namespace tulle::http1
