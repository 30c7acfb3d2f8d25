// Drives the reading of heads, bodies and trailers over pieces of input.
#include "net/http1/parser.h"

#include <algorithm>

#include "net/http1/grammar.h"

namespace tulle::http1 {
namespace {
constexpr uint8_t kMaxEmptyLines = 2;
constexpr uint8_t kLongestMethod = 64;
constexpr std::string_view kResponseStart = "HTTP/1.";
constexpr std::string_view kCrLf = "\r\n";
}  // namespace

Parser::Status Parser::Fail(Failure failure) {
  failure_ = failure;
  if (kind_ == Kind::kResponse) failure_.kind = FailureKind::kUpstreamProtocol;
  return Status::kFailed;
}

Parser::Status Parser::FailBlock(LineBlock::Status status) {
  if (status == LineBlock::Status::kTooLarge) {
    return Fail({FailureKind::kHeadersTooLarge, "headers too large"});
  }
  return Fail({FailureKind::kBadRequest, "control character, or line not terminated by CRLF"});
}

void Parser::Reset() {
  bodiless_ = in_trailers_ = skipped_cr_ = start_checked_ = false;
  skipped_lines_ = start_bytes_ = 0;
  block_.Reset();
  message_ = Message();
  chunks_.Reset();
  trailers_ = nullptr;
}

Parser::Status Parser::SkipToMessage(Buffer& in) {
  while (!in.empty()) {
    const char c = in.Front().front();
    if (skipped_cr_) {
      if (c != '\n') return FailBlock(LineBlock::Status::kBadByte);
      if (++skipped_lines_ > kMaxEmptyLines) {
        return Fail({FailureKind::kBadRequest, "too many empty lines before a request"});
      }
    } else if (c != '\r') {
      return Status::kDone;
    }
    skipped_cr_ = !skipped_cr_;
    in.Drain(1);
  }
  return Status::kMore;
}

bool Parser::CheckStart(std::string_view piece) {
  for (const char c : piece) {
    if (kind_ == Kind::kResponse) {
      if (c != kResponseStart[start_bytes_]) return false;
      start_checked_ = ++start_bytes_ == kResponseStart.size();
    } else if (c == ' ') {
      start_checked_ = true;
    } else if (!Is(c, kMethod) || ++start_bytes_ > kLongestMethod) {
      return false;
    }
    if (start_checked_) break;
  }
  return true;
}

bool Parser::ReadStartLine() {
  std::string_view line = block_.text();
  start_line_size_ = static_cast<uint32_t>(line.size());
  line.remove_suffix(kCrLf.size());
  const Failure failure = kind_ == Kind::kRequest ? ParseRequestLine(line, &start_line_)
                                                  : ParseStatusLine(line, &start_line_);
  if (failure) return Fail(failure), false;
  if (kind_ == Kind::kResponse || http10_.accepted ||
      start_line_.version == http::Version::kHttp11) {
    return true;
  }
  return Fail({FailureKind::kUpgradeRequired, "HTTP/1.0 is not accepted"}), false;
}

Parser::Status Parser::ReadHead(Buffer& in, Arena& arena) {
  if (failure_) return Status::kFailed;
  if (message_.head != nullptr) {  // an interim response came before
    message_ = Message();
    block_.Reset();
    start_checked_ = false;
    start_bytes_ = 0;
  }
  for (;;) {
    const bool in_first_line = start_line_size_ == 0;
    const size_t limit =
        in_first_line ? std::min(limits_.line_bytes, limits_.head_bytes) : limits_.head_bytes;
    const size_t start = std::min<size_t>(kLongestMethod + 1, limit - block_.size());
    if (in_first_line && !start_checked_ && !CheckStart(in.Linearize(start))) {
      return Fail({FailureKind::kBadRequest, "not an HTTP/1.1 message"});
    }
    const LineBlock::Status status = block_.Read(in, arena, limit, true);
    switch (status) {
      case LineBlock::Status::kMore:
        return Status::kMore;
      case LineBlock::Status::kFirstLine:
        if (!ReadStartLine()) return Status::kFailed;
        break;
      case LineBlock::Status::kEnd:
        return FinishHead(arena);
      case LineBlock::Status::kBadByte:
      case LineBlock::Status::kTooLarge:
        return FailBlock(status);
    }
  }
}

Parser::Status Parser::FinishHead(Arena& arena) {
  const std::string_view text = block_.text();
  // The checked bytes were elsewhere: the views must point into the arena.
  if (kind_ == Kind::kRequest) {
    const size_t method_size = start_line_.method.size();
    start_line_.method = text.substr(0, method_size);
    start_line_.target = text.substr(method_size + 1, start_line_.target.size());
  }
  message_.head = arena.New<http::Head>(arena);
  const std::string_view fields = text.substr(start_line_size_);
  start_line_size_ = 0;
  const Failure failure = kind_ == Kind::kRequest
                              ? ReadRequest(start_line_, fields, limits_, http10_, &message_)
                              : ReadResponse(start_line_, fields, limits_, bodiless_, &message_);
  if (failure) return Fail(failure);
  body_left_ = message_.framing == Framing::kLength ? message_.head->content_length : 0;
  return Status::kDone;
}

Parser::Status Parser::ReadBody(Buffer& in, Arena& arena, size_t credit, Buffer& out) {
  if (failure_) return Status::kFailed;
  switch (message_.framing) {
    case Framing::kNone:
      return Status::kDone;
    case Framing::kLength: {
      const size_t ready = std::min<uint64_t>(body_left_, in.size());
      const size_t count = std::min(ready, credit);
      out.AppendFront(in, count);
      body_left_ -= count;
      if (body_left_ == 0) return Status::kDone;
      return count < ready ? Status::kBlocked : Status::kMore;
    }
    case Framing::kUntilClose:
      out.AppendFront(in, credit);
      return in.empty() ? Status::kMore : Status::kBlocked;
    case Framing::kChunked:
      break;
  }
  if (in_trailers_) return ReadTrailerSection(in, arena);
  switch (chunks_.Decode(in, out, credit, limits_.chunk_extension_bytes)) {
    case ChunkDecoder::Status::kMore:
      return Status::kMore;
    case ChunkDecoder::Status::kBlocked:
      return Status::kBlocked;
    case ChunkDecoder::Status::kFailed:
      return Fail(chunks_.failure());
    case ChunkDecoder::Status::kLastChunk:
      break;
  }
  in_trailers_ = true;
  block_.Reset();
  return ReadTrailerSection(in, arena);
}

Parser::Status Parser::ReadTrailerSection(Buffer& in, Arena& arena) {
  const LineBlock::Status status = block_.Read(in, arena, limits_.trailer_bytes, false);
  if (status == LineBlock::Status::kMore) return Status::kMore;
  if (status != LineBlock::Status::kEnd) return FailBlock(status);
  if (block_.text() == kCrLf) return Status::kDone;
  trailers_ = arena.New<http::HeaderMap>(arena);
  if (const Failure failure = ReadTrailers(block_.text(), limits_, trailers_)) return Fail(failure);
  if (trailers_->size() == 0) trailers_ = nullptr;
  return Status::kDone;
}

}  // namespace tulle::http1
