#include "net/http2/testing/frames.h"

namespace tulle::http2::testing {
namespace {

uint32_t Read32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

void PutText(std::string& out, std::string_view text) {
  size_t size = text.size();
  if (size < 127) {
    out += static_cast<char>(size);
  } else {
    out += '\x7f';
    for (size -= 127; size >= 128; size /= 128) out += static_cast<char>(size % 128 + 128);
    out += static_cast<char>(size);
  }
  out += text;
}

}  // namespace

std::string Number32(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out = Number32(static_cast<uint32_t>(payload.size())).substr(1);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  out += Number32(stream);
  out += payload;
  return out;
}

std::string Block(const std::vector<std::pair<std::string_view, std::string_view>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    PutText(out, name);
    PutText(out, value);
  }
  return out;
}

std::string GetBlock(const std::vector<std::pair<std::string_view, std::string_view>>& more) {
  return Block({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}) +
         Block(more);
}

std::vector<RawFrame> ParseFrames(std::string_view bytes) {
  std::vector<RawFrame> frames;
  while (bytes.size() >= 9) {
    const size_t size = Read32(bytes) >> 8;
    if (bytes.size() < 9 + size) break;
    frames.push_back({static_cast<uint8_t>(bytes[3]), static_cast<uint8_t>(bytes[4]),
                      Read32(bytes.substr(5)), std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return frames;
}

int64_t ErrorOf(const std::vector<RawFrame>& frames, uint32_t stream) {
  for (const RawFrame& frame : frames) {
    if (stream == 0 && frame.type == kGoaway) return Read32(frame.payload.substr(4));
    if (stream != 0 && frame.type == kRstStream && frame.stream == stream)
      return Read32(frame.payload);
  }
  return -1;
}

}  // namespace tulle::http2::testing
