// What the parser accepts and the encoder writes must be the same messages to the next parser: as
// many, with the same heads, contents and trailers. The first byte chooses requests or responses,
// and whether bodies have a length.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1/encoder.h"
#include "net/http1/parser.h"

namespace tulle::http1 {
namespace {

using http::HeaderId;

struct Messages {
  std::vector<std::string> complete;
  bool failed = false;
};

std::string Fields(const http::HeaderMap& headers) {
  std::string text;
  for (const http::Header& header : headers.all()) {
    // Framing belongs to each hop.
    if (header.id == HeaderId::kContentLength || header.id == HeaderId::kTe) continue;
    text.append(header.name).append("=").append(header.value).append("\n");
  }
  return text;
}

std::string Line(const http::Head& head) {
  std::string line = head.status == 0 ? std::string(head.method) : std::to_string(head.status);
  line.append("|").append(head.path).append("|").append(head.authority);
  return line.append("|").append(head.upgrade).append("\n");
}

class Forwarder {
 public:
  Forwarder(Parser::Kind kind, const http::Limits& limits, bool stated)
      : kind_(kind), stated_(stated), parser_(kind, limits) {}

  // Reads all messages of `bytes`, and writes the complete ones to `out` as well.
  Messages Read(std::string_view bytes, std::string* out) {
    in_.Append(bytes);
    Messages messages;
    while (ReadMessage(messages, out)) {
    }
    return messages;
  }

 private:
  bool Check(Parser::Status status, Messages& messages) {
    messages.failed |= status == Parser::Status::kFailed;
    return status == Parser::Status::kDone;
  }
  bool ReadMessage(Messages& messages, std::string* out) {
    const bool request = kind_ == Parser::Kind::kRequest;
    if (request ? !Check(parser_.SkipToMessage(in_), messages) : in_.empty()) return false;
    arena_.Clear();
    do {
      if (!Check(parser_.ReadHead(in_, arena_), messages)) return false;
    } while (!request && parser_.message().head->status < 200);
    http::Head& head = *parser_.message().head;
    if (head.method == "CONNECT") return false;
    const bool end = parser_.message().framing == Framing::kNone;
    Buffer content(slab_);
    if (!end && !Check(parser_.ReadBody(in_, arena_, SIZE_MAX, content), messages)) return false;
    messages.complete.push_back(Line(head) + Fields(head.headers) + content.ToString() + "\n" +
                                (parser_.trailers() ? Fields(*parser_.trailers()) : ""));
    if (out != nullptr) Write(head, end, content, out);
    parser_.Reset();
    return true;
  }
  void Write(http::Head& head, bool end, Buffer& content, std::string* out) {
    Buffer written(slab_);
    Encoder encoder(written);
    const http::HeaderMap* trailers = end ? nullptr : parser_.trailers();
    if (stated_ && !end && trailers == nullptr) {
      head.content_length = static_cast<int64_t>(content.size());
    } else if (!end) {
      head.content_length = -1;
    }
    if (head.status != 0) {
      encoder.WriteResponseHead(head, end, {});
    } else if (!encoder.WriteRequestHead(head, end)) {
      std::abort();
    }
    if (!end) encoder.WriteBody(content, trailers == nullptr);
    if (trailers != nullptr) encoder.WriteTrailers(*trailers);
    if (encoder.broken()) std::abort();
    out->append(written.ToString());
  }

  const Parser::Kind kind_;
  const bool stated_;
  Slab slab_;
  Parser parser_;
  Buffer in_{slab_};
  Arena arena_{slab_};
};

void Run(uint8_t choice, std::string_view bytes) {
  const Parser::Kind kind = choice & 1 ? Parser::Kind::kResponse : Parser::Kind::kRequest;
  http::Limits limits, wide;
  wide.head_bytes = wide.line_bytes = wide.trailer_bytes = 1 << 20;
  wide.header_count = wide.trailer_count = 1000;
  std::string forwarded;
  const Messages sent = Forwarder(kind, limits, choice & 2).Read(bytes, &forwarded);
  const Messages received = Forwarder(kind, wide, false).Read(forwarded, nullptr);
  if (sent.complete == received.complete && !received.failed) return;
  std::fprintf(stderr, "forwarded as:\n%s\n", forwarded.c_str());
  std::abort();
}

}  // namespace
}  // namespace tulle::http1

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  tulle::http1::Run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
