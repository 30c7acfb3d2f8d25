#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/head.h"

namespace tulle::http1 {

// Writes one HTTP/1.1 message after the other into a buffer: heads with the case of their names
// kept, and the framing that follows from them (Content-Length where the length is known, else
// chunked). What belongs to one hop is this class's to write and is ignored in the headers that it
// is given. It is also the last line of defence against a smuggled line end: in a value it becomes
// a blank, a field whose name is no token is left out, and a start line that cannot be written is
// refused.
//
//   (WriteInterim* WriteRequestHead|WriteResponseHead WriteBody* WriteTrailers?)*
//
// After a response head with 101 and `upgrade`, or BeginBytes, only WriteBody follows, and its
// bytes go out as they are. Owner: a connection. Pure.
class Encoder {
 public:
  explicit Encoder(Buffer& out) : out_(out) {}

  // False: nothing was written, for the start line would be no valid one.
  [[nodiscard]] bool WriteRequestHead(const http::Head& head, bool end);
  struct ResponseOptions {
    bool to_head = false;  // the request was HEAD: no content may follow
    bool close = false;    // write Connection: close
  };
  void WriteResponseHead(const http::Head& head, bool end, ResponseOptions options);
  void WriteInterim(const http::Head& head);
  // Takes all of `content`. What a bodiless response or a stated length does not allow is dropped.
  void WriteBody(Buffer& content, bool end);
  // The peer has answered our request with 101.
  void BeginBytes();
  // Ends the message; where its framing has no room for trailers they are left out.
  void WriteTrailers(const http::HeaderMap& trailers);

  // The message was ended, but with less or more content than its head had stated: the connection
  // must be cut, so that the peer does not take it for complete.
  bool broken() const { return broken_; }
  // The whole reply to a request that cannot be served, after which the connection closes.
  void WriteErrorReply(Failure failure);

 private:
  enum class Body : uint8_t { kNone, kLength, kChunked, kForbidden, kBytes };
  struct Lines;  // what the codec itself adds to a head

  void WriteFields(const http::HeaderMap& headers, const Lines& lines);
  void FinishLength();

  Buffer& out_;
  Body body_ = Body::kNone;
  bool broken_ = false;
  uint64_t left_ = 0;
};

}  // namespace tulle::http1
