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

// Reads HTTP/1.1 messages (RFC 9112, strictly) out of a stream of bytes, one after the other. The
// answers do not depend on how the bytes are cut into pieces. Pure: no I/O, no clock; memory is the
// buffers' and the arena's.
//
//   (SkipToMessage ReadHead+ ReadBody* Reset)*
//
// each called again with more bytes while it answers kMore. A response's interim heads are read by
// further calls of ReadHead. After kFailed nothing more can be read.
// Owner: a connection. Thread: the owner's.
class Parser {
 public:
  enum class Kind : uint8_t { kRequest, kResponse };
  enum class Status {
    kMore,     // `in` is used up
    kBlocked,  // ReadBody: there is more in `in` than the credit allows
    kDone,
    kFailed,  // failure() says why
  };

  // `limits` outlives the parser.
  Parser(Kind kind, const http::Limits& limits) : kind_(kind), limits_(limits) {}

  // Requests: drops at most two empty lines before one (RFC 9112 2.2). kDone: a message begins.
  Status SkipToMessage(Buffer& in);
  // kDone: message() is set, all of it in the arena.
  Status ReadHead(Buffer& in, Arena& arena);
  // Moves up to `credit` bytes of content to `out`; framing bytes need no credit. kDone: the
  // message is complete, trailers() are read. Content found before a failure is delivered.
  Status ReadBody(Buffer& in, Arena& arena, size_t credit, Buffer& out);
  // The peer sends no more: whether what was read so far is a complete message (a body that lasts
  // until the end of the connection).
  bool EndsWithConnection() const { return message_.framing == Framing::kUntilClose; }
  // Ready for the next message.
  void Reset();

  // Responses: whether the request was HEAD. Before ReadHead.
  void set_bodiless(bool bodiless) { bodiless_ = bodiless; }
  // Whether the trailer section has begun (it gathers in the arena that ReadBody was given).
  bool in_trailers() const { return in_trailers_; }
  const Message& message() const { return message_; }
  // Null when there were none, or none that may be handed on.
  http::HeaderMap* trailers() const { return trailers_; }
  Failure failure() const { return failure_; }

 private:
  // Fails early on what can be no start line, so that a stranger who speaks another protocol need
  // not wait for the time limit.
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
  LineBlock block_;
  // Of the start line: what of it has been judged already.
  uint32_t start_line_size_ = 0;
  StartLine start_line_;
  Message message_;
  uint64_t body_left_ = 0;
  ChunkDecoder chunks_;
  http::HeaderMap* trailers_ = nullptr;
  Failure failure_;
};

}  // namespace tulle::http1
