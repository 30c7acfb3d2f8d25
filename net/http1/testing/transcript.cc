// Runs the parser over differently cut input and writes its transcript.
#include "net/http1/testing/transcript.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "net/http/testing/stream_recorder.h"

namespace tulle::http1 {
namespace {

class Player {
 public:
  explicit Player(const TranscriptOptions& options)
      : options_(options), parser_(options.kind, options_.limits), in_(slab_), arena_(slab_) {
    parser_.set_http10(options_.http10);
  }

  // Pieces stay separate in the buffer, as if each had been read on its own.
  void Append(std::string_view piece) {
    Buffer own(slab_);
    own.Append(piece);
    in_.Append(own);
  }
  void Run() {
    while (Step()) {
    }
  }
  std::string Finish() {
    if (stage_ == Stage::kBody && options_.ends && parser_.EndsWithConnection()) EndMessage();
    FlushBody();
    if (stage_ != Stage::kFailed && stage_ != Stage::kStart) log_ += "more\n";
    return log_;
  }

 private:
  enum class Stage { kStart, kHead, kBody, kFailed };

  bool Step() {
    switch (stage_) {
      case Stage::kStart:
        return Begin();
      case Stage::kHead:
        return ReadHead();
      case Stage::kBody:
        return ReadBody();
      case Stage::kFailed:
        return false;
    }
    return false;
  }
  bool Check(Parser::Status status) {
    if (status != Parser::Status::kFailed) return status == Parser::Status::kDone;
    FlushBody();
    const Failure failure = parser_.failure();
    log_ += "fail " + std::string(failure.facts().cause) + ": " + failure.detail + "\n";
    stage_ = Stage::kFailed;
    return false;
  }
  bool Begin() {
    if (options_.kind == Parser::Kind::kRequest) {
      if (!Check(parser_.SkipToMessage(in_))) return false;
    } else if (in_.empty()) {
      return false;
    }
    parser_.set_bodiless(options_.bodiless);
    stage_ = Stage::kHead;
    return true;
  }
  bool ReadHead() {
    if (!Check(parser_.ReadHead(in_, arena_))) return false;
    const http::Head& head = *parser_.message().head;
    log_ += "head " + Escape(http::Describe(head));
    if (!parser_.message().keep_alive) log_ += " close";
    log_ += "\n";
    if (head.status == 0 || head.status >= 200) stage_ = Stage::kBody;
    return true;
  }
  bool ReadBody() {
    Buffer content(slab_);
    const Parser::Status status = parser_.ReadBody(in_, arena_, options_.credit, content);
    body_ += content.ToString();
    if (status == Parser::Status::kBlocked) return true;
    if (!Check(status)) return false;
    FlushBody();
    if (parser_.trailers() != nullptr) {
      log_ += "trailers " + Escape(http::Describe(*parser_.trailers())) + "\n";
    }
    EndMessage();
    return true;
  }
  void EndMessage() {
    FlushBody();
    log_ += "end\n";
    parser_.Reset();
    arena_.Clear();
    stage_ = Stage::kStart;
  }
  void FlushBody() {
    if (!body_.empty()) log_ += "body " + Escape(body_) + "\n";
    body_.clear();
  }

  const TranscriptOptions& options_;
  Slab slab_;
  Parser parser_;
  Buffer in_;
  Arena arena_;
  Stage stage_ = Stage::kStart;
  std::string body_;
  std::string log_;
};

std::vector<std::string_view> InPiecesOf(std::string_view bytes, size_t size) {
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < bytes.size(); at += size) pieces.push_back(bytes.substr(at, size));
  return pieces;
}

}  // namespace

std::string Transcript(const std::vector<std::string_view>& pieces,
                       const TranscriptOptions& options) {
  Player player(options);
  for (const std::string_view piece : pieces) {
    player.Append(piece);
    if (!options.at_once) player.Run();
  }
  player.Run();
  return player.Finish();
}

std::string SplitInvariantTranscript(
    std::string_view bytes, const TranscriptOptions& options,
    const std::function<void(const std::string& how, const std::string& transcript)>& differs) {
  const std::string whole = Transcript({bytes}, options);
  const auto check = [&](const std::string& how, const std::string& transcript) {
    if (transcript != whole) differs(how, transcript);
  };
  check("byte by byte", Transcript(InPiecesOf(bytes, 1), options));
  check("in threes", Transcript(InPiecesOf(bytes, 3), options));
  TranscriptOptions at_once = options;
  at_once.at_once = true;
  check("in threes at once", Transcript(InPiecesOf(bytes, 3 + bytes.size() / 256), at_once));
  const size_t stride = bytes.size() < 2048 ? 1 : bytes.size() / 32;
  for (size_t at = 1; at < bytes.size(); at += stride) {
    const std::vector<std::string_view> halves = {bytes.substr(0, at), bytes.substr(at)};
    check("cut at " + std::to_string(at), Transcript(halves, options));
    check("cut at once at " + std::to_string(at), Transcript(halves, at_once));
  }
  TranscriptOptions starved = options;
  starved.credit = 1;
  check("with a credit of 1", Transcript({bytes}, starved));
  return whole;
}

std::string Escape(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (c >= 0x20 && c < 0x7f) {
      text += c;
    } else {
      char hex[5];
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
      text += hex;
    }
  }
  return text;
}

std::string Unescape(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      bytes += text[at];
      continue;
    }
    const char c = text[++at];
    if (c == 'x' && at + 2 < text.size()) {
      bytes += static_cast<char>(std::stoi(std::string(text.substr(at + 1, 2)), nullptr, 16));
      at += 2;
    } else {
      bytes += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
  }
  return bytes;
}

}  // namespace tulle::http1
