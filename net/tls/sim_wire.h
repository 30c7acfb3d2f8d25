#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The handshake of simulated TLS: frames that look like TLS records. The first is a real
// ClientHello, so that protocol detection needs no second eye.
//
//   client                                   server
//   ClientHello (SNI, ALPN)         ---->
//                                   <----    kHandshake: ALPN, chain
//   kHandshake: chain; or kAlert    ---->
//                                   <----    kAccepted, or kAlert; then bytes in clear both ways
namespace tulle::tls {

inline constexpr size_t kFrameHeader = 5;

enum class FrameType : uint8_t { kAccepted = 20, kAlert = 21, kHandshake = 22 };

std::string EncodeFrame(FrameType type, std::string_view body);
std::string EncodeHello(std::string_view sni, const std::vector<std::string>& alpn);

// How many bytes are missing from the frame that begins with `bytes`; 0: it is complete.
size_t MissingBytes(std::string_view bytes);

struct ServerFlight {
  std::string alpn;
  std::vector<std::string> chain;  // DER, leaf first
};
std::string EncodeServerFlight(const ServerFlight& flight);
std::optional<ServerFlight> DecodeServerFlight(std::string_view body);
std::string EncodeChain(const std::vector<std::string>& chain);
std::optional<std::vector<std::string>> DecodeChain(std::string_view body);

}  // namespace tulle::tls
