#pragma once

#include <cstddef>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/head.h"

// The codec seam. Protocol versions are invisible above it: HTTP/1.1 and HTTP/2, as server and as
// client, look like this.
namespace tulle::http {

// What a codec tells about the message that it receives on one stream (server side: the request,
// client side: the response).
//
//   OnInterim* OnHeaders OnData* OnTrailers?        ending with the first call whose `end` is true,
//   or OnTrailers and at any moment instead: OnReset, after which nothing follows.
//
// After a request whose head has `upgrade` a response head with status 101 may come (HTTP/1.1
// only), never with `end`: both messages are over, and bytes follow in both directions, each to its
// own end (FIN): OnHeaders(101) from the client's stream, SendHeaders(101) on the server's, then
// both as above once more, without trailers:
//
//   OnData*      and      SendData*      ending with the first call whose `end` is true.
//
// OnSendRoom may come at any moment before OnReset. Calls are never made from inside a call on
// Stream, except that a codec that is in the middle of delivering goes on delivering after it
// returns.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // Where the codec puts the head and the trailers.
  virtual Arena& arena() = 0;
  // Client side only: a 1xx response (never 101). `head` is valid during the call.
  virtual void OnInterim(Head& head) = 0;
  // `head` lives in the arena.
  virtual void OnHeaders(Head& head, bool end) = 0;
  // Takes from `data` all it holds; at most the credit given by Stream::Pull.
  virtual void OnData(Buffer& data, bool end) = 0;
  virtual void OnTrailers(HeaderMap& trailers) = 0;
  virtual void OnReset(Failure failure) = 0;
  // SendRoom() was 0 and is so no more.
  virtual void OnSendRoom() = 0;
};

// The message that we send on that stream, and the credit for the one we receive.
//
//   SendInterim* SendHeaders SendData* SendTrailers?      likewise; or Reset at any moment.
//
// Owner: the connection that made it. It may be used until OnReset, Reset or Detach; when both
// directions have ended the codec frees it by itself after the user called Detach. Every user calls
// Detach exactly once (Reset implies it), also after OnReset.
class Stream {
 public:
  virtual ~Stream() = default;
  // Server side: 100 Continue, or an interim response handed on.
  virtual void SendInterim(const Head& head) = 0;
  // The codec reads `head` during the call only.
  virtual void SendHeaders(const Head& head, bool end) = 0;
  // Takes all of `data`, by reference. Send no more than SendRoom() unless it is unavoidable: what
  // is above is buffered.
  virtual void SendData(Buffer& data, bool end) = 0;
  virtual void SendTrailers(const HeaderMap& trailers) = 0;
  // Bytes of body that may be sent now without piling up.
  virtual size_t SendRoom() const = 0;
  // Lets the peer send: up to `bytes` more of body will be delivered by OnData. Credit adds up.
  // Nothing is read without credit.
  virtual void Pull(size_t bytes) = 0;
  // Ends both directions at once: the peer sees an abort (RST_STREAM, or for HTTP/1 the end of the
  // connection), or, where nothing was sent yet, nothing. No event follows.
  virtual void Reset(Failure why) = 0;
  // No event follows; what was sent so far still goes out, and is completed if it was ended, else
  // reset.
  virtual void Detach() = 0;
  // Bytes of this message's head and body that were given to the transport so far: 0 proves that
  // the peer saw nothing.
  virtual uint64_t bytes_on_wire() const = 0;
  // Bytes of body that wait here, in both directions: what ending this stream would free.
  virtual size_t held_bytes() const = 0;
};

}  // namespace tulle::http
