#pragma once

#include <cstddef>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/head.h"

// The codec seam. Protocol versions are invisible above it: HTTP/1.1 and HTTP/2, as server and as
// client, have this interface.
namespace tulle::http {

// The events of the message that a codec receives on one stream (server side: the request, client
// side: the response).
//
//   OnInterim* OnHeaders OnData* OnTrailers?        ending with the first call whose `end` is true,
//   or with OnTrailers; (RefusalHeaders? OnReset) may come at any moment instead, and nothing
//   follows it.
//
// A request whose head has `upgrade` may be answered with status 101 (HTTP/1.1 only), never with
// `end`. Both messages are then complete, and bytes follow in both directions, each until its own
// end (FIN): OnHeaders(101) from the client's stream, SendHeaders(101) on the server's, then both
// as above once more, without trailers:
//
//   OnData*      and      SendData*      ending with the first call whose `end` is true.
//
// OnSendRoom may come at any moment before OnReset. Events never come from inside a call on Stream;
// only a codec that is already delivering continues after the call returns.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // The arena in which the codec stores the head and the trailers.
  virtual Arena& arena() = 0;
  // Client side only: a 1xx response (never 101). `head` is valid during the call.
  virtual void OnInterim(Head& head) = 0;
  // `head` lives in the arena.
  virtual void OnHeaders(Head& head, bool end) = 0;
  // Removes all bytes from `data`; at most the credit given by Stream::Pull.
  virtual void OnData(Buffer& data, bool end) = 0;
  virtual void OnTrailers(HeaderMap& trailers) = 0;
  // Server side: the codec refuses the request and answers it by itself; OnReset follows. Returns
  // further headers for that answer, in the arena; null: none.
  virtual const HeaderMap* RefusalHeaders(Failure) { return nullptr; }
  virtual void OnReset(Failure failure) = 0;
  // SendRoom() was 0 and is positive again.
  virtual void OnSendRoom() = 0;
};

// The message that we send on that stream, and the credit for the one we receive.
//
//   SendInterim* SendHeaders SendData* SendTrailers?      likewise; or Reset at any moment.
//
// Owner: the connection that created it. It may be used until OnReset, Reset or Detach. The codec
// frees it when both directions have ended and the user has called Detach. Every user calls Detach
// exactly once (Reset implies it), also after OnReset.
class Stream {
 public:
  virtual ~Stream() = default;
  // Server side: 100 Continue, or a forwarded interim response.
  virtual void SendInterim(const Head& head) = 0;
  // The codec reads `head` during the call only.
  virtual void SendHeaders(const Head& head, bool end) = 0;
  // Takes all of `data`, by reference. Send no more than SendRoom() unless it is unavoidable: the
  // excess is buffered.
  virtual void SendData(Buffer& data, bool end) = 0;
  virtual void SendTrailers(const HeaderMap& trailers) = 0;
  // Bytes of body that may be sent now without buffering.
  virtual size_t SendRoom() const = 0;
  // Grants credit: up to `bytes` more of body will be delivered by OnData. Credit adds up. Nothing
  // is read without credit.
  virtual void Pull(size_t bytes) = 0;
  // Ends both directions at once. The peer sees an abort (RST_STREAM, or for HTTP/1 the end of the
  // connection), or nothing if nothing was sent yet. No event follows.
  virtual void Reset(Failure why) = 0;
  // No event follows. What was sent so far still goes out; an unfinished message is reset.
  virtual void Detach() = 0;
  // Bytes of this message's head and body given to the transport so far: 0 proves that the peer saw
  // nothing.
  virtual uint64_t bytes_on_wire() const = 0;
  // Bytes of body buffered here, in both directions: what ending this stream would free.
  virtual size_t held_bytes() const = 0;
};

}  // namespace tulle::http
