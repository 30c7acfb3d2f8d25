// What is taken for a token has two halves of lower-case hex, and is the text it came from.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control-plane/ca/join_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = tulle::ca::ParseJoinToken(text);
  if (!token) return 0;
  for (const std::string& half : {token->root_key_hash, token->secret}) {
    if (half.size() != 64 || half.find_first_not_of("0123456789abcdef") != std::string::npos)
      std::abort();
  }
  if (!text.starts_with("tulle1." + token->root_key_hash + "." + token->secret)) std::abort();
  return 0;
}
