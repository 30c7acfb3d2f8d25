#pragma once

#include <cstdint>
#include <string_view>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/head.h"

namespace tulle::http1 {

// Writes HTTP/1.1 messages into a buffer, one after another: heads, whose names keep their case,
// and the resulting framing (Content-Length if the length is known, otherwise chunked). Hop-by-hop
// fields are written by this class and ignored in the headers passed in. It is also the last
// defence against smuggled line ends: in a value they become a blank, a field whose name is not a
// token is dropped, and an invalid start line is refused.
//
// (WriteInterim* WriteRequestHead|WriteResponseHead WriteBody* WriteTrailers?)*
//
// After a response head with `upgrade` (101, or 200 to CONNECT), or BeginBytes, only WriteBody may
// follow, and its bytes are written unchanged. Owner: a connection. Pure.
class Encoder {
 public:
  explicit Encoder(Buffer& out) : out_(out) {}

  // False: nothing was written, because the start line would be invalid.
  [[nodiscard]] bool WriteRequestHead(const http::Head& head, bool end);
  struct ResponseOptions {
    bool to_head = false;  // the request was HEAD: no content may follow
    bool close = false;    // write Connection: close
    // To an HTTP/1.0 client: content of unknown length lasts until the connection closes.
    bool http10 = false;
  };
  void WriteResponseHead(const http::Head& head, bool end, ResponseOptions options);
  void WriteInterim(const http::Head& head);
  // Takes all of `content`. Content that a bodiless response or a stated length does not allow is
  // dropped.
  void WriteBody(Buffer& content, bool end);
  // The peer has accepted our upgrade request with 101.
  void BeginBytes();
  // Ends the message. Trailers are dropped if its framing does not support them.
  void WriteTrailers(const http::HeaderMap& trailers);

  // The message was ended with less or more content than its head stated: the connection must be
  // closed, so that the peer does not consider it complete.
  bool broken() const { return broken_; }
  // The content of the current message ends with the connection: it must be closed after a complete
  // message, and reset after one that was cut off.
  bool until_close() const { return body_ == Body::kUntilClose; }
  // The whole reply to a request that cannot be served, with these headers (null: none) beside the
  // necessary ones. The connection closes after it.
  void WriteErrorReply(Failure failure, const http::HeaderMap* headers);

 private:
  enum class Body : uint8_t { kNone, kLength, kChunked, kForbidden, kUntilClose, kBytes };
  struct Lines;  // the fields that the codec itself adds to a head

  void WriteFields(const http::HeaderMap& headers, const Lines& lines);
  void WriteFurther(const http::HeaderMap& headers);
  void FinishLength();

  Buffer& out_;
  Body body_ = Body::kNone;
  bool broken_ = false;
  uint64_t left_ = 0;
};

}  // namespace tulle::http1
