// Writes start lines, fields and framing of HTTP/1.1 messages, and of responses in HTTP/1.0.
#include "net/http1/encoder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "net/http1/chunk_decoder.h"
#include "net/http1/grammar.h"
#include "net/http1/message_head.h"
#include "net/http1/reason.h"

namespace tulle::http1 {
namespace {

using http::Head;
using http::Header;
using http::HeaderId;
using http::HeaderMap;

// Room for a decimal or hexadecimal 64-bit number.
class Number {
 public:
  explicit Number(uint64_t value, int base = 10) {
    size_ =
        std::to_chars(text_.data(), text_.data() + text_.size(), value, base).ptr - text_.data();
  }
  std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, 20> text_;
  size_t size_;
};

// Writes into memory that was reserved before.
class Pen {
 public:
  explicit Pen(std::span<char> room) : start_(room.data()), at_(room.data()) {}
  void Put(std::string_view text) {
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void PutValue(std::string_view value) {
    if (FindControl(value) == value.size()) return Put(value);
    for (const char c : value) *at_++ = Is(c, kField) ? c : ' ';
  }
  size_t written() const { return at_ - start_; }

 private:
  char* start_;
  char* at_;
};

constexpr size_t kFieldOverhead = 4;  // ": " and CRLF

bool IsOfThisHop(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return true;
    default:
      return false;
  }
}

bool MayHaveContent(int status) { return status >= 200 && status != 204 && status != 304; }

// Methods whose requests are expected to have content, so that its absence must be said (RFC 9110
// 8.6).
bool ExpectsContent(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

struct Encoder::Lines {
  std::string_view start[6];  // the pieces of the start line, and Host
  int64_t content_length = -1;
  bool chunked = false;
  bool te_trailers = false;
  bool close = false;
  bool keep_alive = false;
  std::string_view upgrade{};
  enum class Block : uint8_t { kRequest, kResponse, kTrailers } block = Block::kResponse;

  bool Keeps(const Header& header) const {
    if (IsOfThisHop(header.id) || header.name.empty() || !AllAre(header.name, kToken)) return false;
    if (block == Block::kRequest) return header.id != HeaderId::kHost;
    return block == Block::kResponse || !IsForbiddenTrailer(header.name);
  }
};

void Encoder::WriteFields(const HeaderMap& headers, const Lines& lines) {
  const Number length(lines.content_length < 0 ? 0 : lines.content_length);
  std::string_view length_name = "Content-Length";
  if (const Header* given = headers.Find(HeaderId::kContentLength)) length_name = given->name;

  size_t size = 2;
  for (const std::string_view piece : lines.start) size += piece.size();
  for (const Header& header : headers.all()) {
    size += header.name.size() + header.value.size() + kFieldOverhead;
  }
  constexpr size_t kOwnLines = 128;
  size += kOwnLines + lines.upgrade.size();

  Pen pen(out_.Reserve(size));
  for (const std::string_view piece : lines.start) pen.Put(piece);
  for (const Header& header : headers.all()) {
    if (!lines.Keeps(header)) continue;
    pen.Put(header.name);
    pen.Put(": ");
    pen.PutValue(header.value);
    pen.Put("\r\n");
  }
  if (lines.content_length >= 0) {
    pen.Put(length_name);
    pen.Put(": ");
    pen.Put(length.text());
    pen.Put("\r\n");
  }
  if (lines.chunked) pen.Put("Transfer-Encoding: chunked\r\n");
  if (lines.te_trailers) pen.Put("TE: trailers\r\n");
  if (!lines.upgrade.empty()) {
    pen.Put(lines.te_trailers ? "Connection: TE, Upgrade\r\n" : "Connection: Upgrade\r\n");
    pen.Put("Upgrade: ");
    pen.PutValue(lines.upgrade);
    pen.Put("\r\n");
  } else if (lines.te_trailers) {
    pen.Put("Connection: TE\r\n");
  }
  if (lines.close) pen.Put("Connection: close\r\n");
  if (lines.keep_alive) pen.Put("Connection: keep-alive\r\n");
  pen.Put("\r\n");
  out_.Commit(pen.written());
}

bool Encoder::WriteRequestHead(const Head& head, bool end) {
  const bool connect = head.method == "CONNECT";
  const std::string_view target = connect ? head.authority : head.path;
  if (head.method.empty() || !AllAre(head.method, kToken) || target.empty() ||
      !AllAre(target, kTarget) || !AllAre(head.authority, kHost)) {
    return false;
  }
  Lines lines{{head.method, " ", target, " HTTP/1.1\r\nHost: ", head.authority, "\r\n"}};
  lines.block = Lines::Block::kRequest;
  lines.te_trailers = head.headers.Get(HeaderId::kTe) == "trailers";
  lines.upgrade = head.upgrade;
  broken_ = false;
  left_ = 0;
  if (end) {
    body_ = Body::kNone;
    if (head.content_length >= 0 || ExpectsContent(head.method)) lines.content_length = 0;
  } else if (head.content_length >= 0) {
    body_ = Body::kLength;
    left_ = lines.content_length = head.content_length;
  } else {
    body_ = Body::kChunked;
    lines.chunked = true;
  }
  WriteFields(head.headers, lines);
  return true;
}

void Encoder::WriteResponseHead(const Head& head, bool end, ResponseOptions options) {
  const Number status(static_cast<uint64_t>(std::clamp(head.status, 100, 999)));
  const std::string_view version = options.http10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  Lines lines{{version, status.text(), " ", ReasonOf(head.status), "\r\n", ""}};
  lines.close = options.close;
  broken_ = false;
  left_ = 0;
  if (!head.upgrade.empty()) {
    body_ = Body::kBytes;
    if (head.status == 101) lines.upgrade = head.upgrade;
    lines.close = false;  // Connection described the previous hop
  } else if (options.to_head || !MayHaveContent(head.status)) {
    body_ = Body::kForbidden;
    if (head.status >= 200 && head.status != 204) lines.content_length = head.content_length;
  } else if (end) {
    body_ = Body::kNone;
    lines.content_length = 0;
  } else if (head.content_length >= 0) {
    body_ = Body::kLength;
    left_ = lines.content_length = head.content_length;
  } else if (options.http10) {
    body_ = Body::kUntilClose;
    lines.close = true;
  } else {
    body_ = Body::kChunked;
    lines.chunked = true;
  }
  lines.keep_alive = options.http10 && !lines.close;
  WriteFields(head.headers, lines);
}

void Encoder::WriteInterim(const Head& head) {
  const Number status(static_cast<uint64_t>(std::clamp(head.status, 100, 199)));
  WriteFields(head.headers,
              Lines{{"HTTP/1.1 ", status.text(), " ", ReasonOf(head.status), "\r\n", ""}});
}

void Encoder::WriteBody(Buffer& content, bool end) {
  switch (body_) {
    case Body::kNone:
      broken_ = broken_ || !content.empty();
      content.Clear();
      return;
    case Body::kForbidden:
      content.Clear();
      return;
    case Body::kUntilClose:
    case Body::kBytes:
      return MoveContent(content, out_, content.size());
    case Body::kLength:
      if (content.size() > left_) {
        broken_ = true;
        content.Clear();
      }
      left_ -= content.size();
      MoveContent(content, out_, content.size());
      if (end) FinishLength();
      return;
    case Body::kChunked:
      break;
  }
  if (!content.empty()) {
    out_.Append(Number(content.size(), 16).text());
    out_.Append("\r\n");
    MoveContent(content, out_, content.size());
    out_.Append(end ? "\r\n0\r\n\r\n" : "\r\n");
  } else if (end) {
    out_.Append("0\r\n\r\n");
  }
}

void Encoder::BeginBytes() {
  body_ = Body::kBytes;
  broken_ = false;
}

void Encoder::FinishLength() { broken_ = broken_ || left_ > 0; }

void Encoder::WriteTrailers(const HeaderMap& trailers) {
  if (body_ == Body::kLength) FinishLength();
  if (body_ != Body::kChunked) return;
  Lines last_chunk{{"0\r\n"}};
  last_chunk.block = Lines::Block::kTrailers;
  WriteFields(trailers, last_chunk);
}

void Encoder::WriteFurther(const HeaderMap& headers) {
  for (const Header& header : headers.all()) {
    if (!AllAre(header.name, kToken) || FindControl(header.value) != header.value.size()) continue;
    for (const std::string_view piece :
         {header.name, std::string_view(": "), header.value, std::string_view("\r\n")}) {
      out_.Append(piece);
    }
  }
}

void Encoder::WriteErrorReply(Failure failure, const HeaderMap* headers) {
  const FailureFacts& facts = failure.facts();
  const Number status(facts.status);
  const Number length(facts.body.size());
  const bool upgrade = failure.kind == FailureKind::kUpgradeRequired;
  for (const std::string_view piece :
       {std::string_view("HTTP/1.1 "), status.text(), std::string_view(" "), ReasonOf(facts.status),
        std::string_view("\r\n")}) {
    out_.Append(piece);
  }
  if (headers != nullptr) WriteFurther(*headers);
  for (const std::string_view piece :
       {std::string_view("Content-Type: text/plain\r\nContent-Length: "), length.text(),
        upgrade ? std::string_view("\r\nUpgrade: HTTP/1.1\r\nConnection: upgrade, close\r\n\r\n")
                : std::string_view("\r\nConnection: close\r\n\r\n"),
        facts.body}) {
    out_.Append(piece);
  }
}

}  // namespace tulle::http1
