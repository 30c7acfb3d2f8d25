// For any input, the parser must neither crash nor read past its end, and the result must not
// depend on how the bytes are cut or on the credit. The first byte chooses what is parsed, the
// second where it is cut.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "net/http1/testing/transcript.h"

namespace tulle::http1 {
namespace {

void Expect(const std::string& whole, const std::string& other, const char* how) {
  if (whole == other) return;
  std::fprintf(stderr, "differs %s:\n%s---\n%s", how, whole.c_str(), other.c_str());
  std::abort();
}

void Run(uint8_t choice, uint8_t cut, std::string_view bytes) {
  TranscriptOptions options;
  options.kind = choice & 1 ? Parser::Kind::kResponse : Parser::Kind::kRequest;
  options.bodiless = choice & 2;
  options.ends = choice & 4;
  if (choice & 8) {
    options.limits.head_bytes = options.limits.line_bytes = options.limits.trailer_bytes = 64;
    options.limits.header_count = options.limits.trailer_count = 3;
    options.limits.chunk_extension_bytes = 4;
  }
  if (choice & 16) options.http10 = {true, "h"};
  const std::string whole = Transcript({bytes}, options);
  const size_t at = bytes.size() * cut / 256;
  std::vector<std::string_view> pieces = {bytes.substr(0, at), bytes.substr(at)};
  Expect(whole, Transcript(pieces, options), "cut in two");
  options.at_once = true;
  Expect(whole, Transcript(pieces, options), "in two pieces of one buffer");
  options.at_once = false;
  if (bytes.size() > 2000) return;
  pieces.clear();
  for (size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
  options.credit = 1;
  Expect(whole, Transcript(pieces, options), "byte by byte");
}

}  // namespace
}  // namespace tulle::http1

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  tulle::http1::Run(data[0], data[1], {reinterpret_cast<const char*>(data + 2), size - 2});
  return 0;
}
