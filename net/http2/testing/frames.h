#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Hand-made HTTP/2 frames (RFC 9113 section 4), for what a correct peer never sends.
namespace tulle::http2::testing {

enum FrameType : uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation,
};
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kAck = 1;
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kPadded = 8;
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct RawFrame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
};

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
std::string Number32(uint32_t value);
// A header block of literals without indexing (RFC 7541 6.2.2).
std::string Block(const std::vector<std::pair<std::string_view, std::string_view>>& fields);
// A block of GET http://a/ followed by `more`.
std::string GetBlock(const std::vector<std::pair<std::string_view, std::string_view>>& more = {});
// The complete frames in `bytes`.
std::vector<RawFrame> ParseFrames(std::string_view bytes);
// The error code of the first RST_STREAM of `stream`, or of the first GOAWAY for stream 0; -1:
// none.
int64_t ErrorOf(const std::vector<RawFrame>& frames, uint32_t stream);

}  // namespace tulle::http2::testing
