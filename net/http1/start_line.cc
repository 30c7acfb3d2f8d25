#include <algorithm>

#include "net/http1/grammar.h"
#include "net/http1/message_head.h"

namespace tulle::http1 {
namespace {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "HTTP/" DIGIT "." DIGIT.
Failure ParseVersion(std::string_view text, http::Version* out) {
  if (text == "HTTP/1.1") {
    *out = http::Version::kHttp11;
    return {};
  }
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && IsDigit(text[5]) &&
                           text[6] == '.' && IsDigit(text[7]);
  if (!well_formed) return BadRequest("invalid HTTP version");
  if (text == "HTTP/1.0") {
    *out = http::Version::kHttp10;
    return {};
  }
  return {FailureKind::kUnsupportedVersion, "only HTTP/1.0 and HTTP/1.1 are supported"};
}

}  // namespace

Failure ParseRequestLine(std::string_view line, StartLine* out) {
  const size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || method_end == 0) {
    return BadRequest("the request line has no target");
  }
  const size_t target_end = line.find(' ', method_end + 1);
  if (target_end == std::string_view::npos) return BadRequest("the request line has no version");
  out->method = line.substr(0, method_end);
  out->target = line.substr(method_end + 1, target_end - method_end - 1);
  if (!AllAre(out->method, kMethod)) return BadRequest("the method is not an upper-case token");
  if (out->target.empty() || !AllAre(out->target, kTarget)) {
    return BadRequest(
        "the request target is empty or has a character that must be percent-encoded");
  }
  return ParseVersion(line.substr(target_end + 1), &out->version);
}

Failure ParseStatusLine(std::string_view line, StartLine* out) {
  if (line.size() < 12 || line[8] != ' ') return BadRequest("invalid status line");
  if (const Failure failure = ParseVersion(line.substr(0, 8), &out->version)) return failure;
  const std::string_view code = line.substr(9, 3);
  if (!std::all_of(code.begin(), code.end(), IsDigit) || code[0] == '0') {
    return BadRequest("invalid status code");
  }
  // Some servers leave out the blank before an empty reason.
  if (line.size() > 12 && line[12] != ' ') return BadRequest("invalid status code");
  out->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  return {};
}

}  // namespace tulle::http1
