// Whole and byte by byte must agree, whatever the bytes.
#include <cstdint>
#include <string_view>

#include "net/tls/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tulle::tls::ClientHelloParser;
  using tulle::tls::HelloVerdict;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ClientHelloParser whole;
  ClientHelloParser pieces;
  whole.Feed(bytes);
  for (std::size_t i = 0; i < size; ++i) pieces.Feed(bytes.substr(i, 1));
  if (whole.verdict() != pieces.verdict()) __builtin_trap();
  if (whole.verdict() != HelloVerdict::kHello) return 0;
  if (whole.hello().sni != pieces.hello().sni || whole.hello().alpn != pieces.hello().alpn ||
      whole.FindExtension(43) != pieces.FindExtension(43)) {
    __builtin_trap();
  }
  return 0;
}
