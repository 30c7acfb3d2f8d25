#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1/parser.h"

namespace tulle::http1 {

struct TranscriptOptions {
  Parser::Kind kind = Parser::Kind::kRequest;
  bool bodiless = false;  // responses: to HEAD
  bool ends = false;      // the connection ends after the last byte
  bool at_once = false;   // all pieces are available before the parser sees the first
  size_t credit = 1 << 20;
  http::Limits limits;
  Http10 http10;
};

// What a parser makes of a stream of bytes that arrives in the given pieces, one event per line:
// head HEAD | body BYTES | trailers (...) | end | fail CAUSE: DETAIL | more
// Adjacent bodies are joined, so that equal streams give equal transcripts however they are cut.
std::string Transcript(const std::vector<std::string_view>& pieces,
                       const TranscriptOptions& options);

// The transcript of `bytes` delivered whole. Checks that it is the same byte by byte, in two pieces
// cut at every place (for long inputs: at some), in pieces that lie in one buffer, and with one
// byte of credit at a time; tells by `differs` if not.
std::string SplitInvariantTranscript(
    std::string_view bytes, const TranscriptOptions& options,
    const std::function<void(const std::string& how, const std::string& transcript)>& differs);

// C escapes for what is not visible ASCII.
std::string Escape(std::string_view bytes);
std::string Unescape(std::string_view text);

}  // namespace tulle::http1
