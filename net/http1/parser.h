#pragma once

#include <cstdint>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/connection.h"
#include "net/http1/chunk_decoder.h"
#include "net/http1/line_block.h"
#include "net/http1/message_head.h"

namespace tulle::http1 {

// Reads HTTP/1.1 messages (RFC 9112, strictly) from a stream of bytes, one after another. The
// results do not depend on how the bytes are cut into pieces. Pure: no I/O, no clock; memory comes
// from the buffers and the arena.
//
// (SkipToMessage ReadHead+ ReadBody* Reset)*
//
// each called again with more bytes while it returns kMore. Interim heads of a response are read
// by further calls of ReadHead. After kFailed nothing more can be read. Owner: a connection.
// Thread: the owner's.
class Parser {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };
  enum class Status {
    kMore,     // `in` is used up
    kBlocked,  // ReadBody: there is more in `in` than the credit allows
    kDone,
    kFailed,  // see failure()
  };

  // `limits` must outlive the parser.
  Parser(Kind kind, const http::Limits& limits) : kind_(kind), limits_(limits) {}

  // Requests: drops at most two empty lines before one (RFC 9112 2.2). kDone: a message begins.
  Status SkipToMessage(Buffer& in);
  // kDone: message() is set, all of it in the arena.
  Status ReadHead(Buffer& in, Arena& arena);
  // Moves up to `credit` bytes of content to `out`; framing bytes need no credit. kDone: the
  // message is complete, trailers() are read. Content found before a failure is delivered.
  Status ReadBody(Buffer& in, Arena& arena, size_t credit, Buffer& out);
  // The peer sends no more bytes: returns whether the bytes read so far are a complete message (a
  // body that lasts until the end of the connection).
  bool EndsWithConnection() const { return message_.framing == Framing::kUntilClose; }
  // Prepares for the next message.
  void Reset();

  // Requests: whether HTTP/1.0 is accepted; by default it is refused. `http10.default_host` must
  // outlive the parser. Before ReadHead.
  void set_http10(const Http10& http10) { http10_ = http10; }
  // Responses: whether the request was HEAD. Before ReadHead.
  void set_bodiless(bool bodiless) { bodiless_ = bodiless; }
  // Whether the trailer section has begun (it is collected in the arena that was passed to
  // ReadBody).
  bool in_trailers() const { return in_trailers_; }
  const Message& message() const { return message_; }
  // Null when there were none, or none that may be forwarded.
  http::HeaderMap* trailers() const { return trailers_; }
  Failure failure() const { return failure_; }

 private:
  // Fails early on bytes that cannot be a start line, so that a peer with another protocol is
  // rejected without waiting for the timeout.
  bool CheckStart(std::string_view piece);
  bool ReadStartLine();
  Status FinishHead(Arena& arena);
  Status ReadTrailerSection(Buffer& in, Arena& arena);
  Status Fail(Failure failure);
  Status FailBlock(LineBlock::Status status);

  const Kind kind_;
  bool bodiless_ = false;
  bool in_trailers_ = false;
  bool skipped_cr_ = false;
  uint8_t skipped_lines_ = 0;
  bool start_checked_ = false;
  uint8_t start_bytes_ = 0;
  const http::Limits& limits_;
  Http10 http10_;
  LineBlock block_;
  // The part of the start line that was already checked.
  uint32_t start_line_size_ = 0;
  StartLine start_line_;
  Message message_;
  uint64_t body_left_ = 0;
  ChunkDecoder chunks_;
  http::HeaderMap* trailers_ = nullptr;
  Failure failure_;
};

}  // namespace tulle::http1
