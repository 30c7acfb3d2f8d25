#include "net/tls/sim_wire.h"

namespace tulle::tls {
namespace {

std::string Number(size_t value, int width) {
  std::string out;
  for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 0xff));
  }
  return out;
}

std::string Vector(std::string_view body, int width) {
  return Number(body.size(), width).append(body);
}

std::string Extension(size_t type, std::string_view body) {
  return Number(type, 2) + Vector(body, 2);
}

size_t NumberAt(std::string_view bytes, size_t at) {
  return static_cast<size_t>(static_cast<uint8_t>(bytes[at])) << 8 |
         static_cast<uint8_t>(bytes[at + 1]);
}

}  // namespace

std::string EncodeFrame(FrameType type, std::string_view body) {
  std::string frame(1, static_cast<char>(type));
  frame += "\x03\x03";
  return frame + Vector(body, 2);
}

std::string EncodeHello(std::string_view sni, const std::vector<std::string>& alpn) {
  std::string extensions = Extension(43, Vector("\x03\x04", 1));
  if (!sni.empty()) extensions += Extension(0, Vector(Number(0, 1) + Vector(sni, 2), 2));
  std::string names;
  for (const std::string& name : alpn) names += Vector(name, 1);
  if (!names.empty()) extensions += Extension(16, Vector(names, 2));
  const std::string body = "\x03\x03" + std::string(32, '\0') + Vector("", 1) +
                           Vector("\x13\x01", 2) + Vector(std::string(1, '\0'), 1) +
                           Vector(extensions, 2);
  return EncodeFrame(FrameType::kHandshake, Number(1, 1) + Vector(body, 3));
}

size_t MissingBytes(std::string_view bytes) {
  if (bytes.size() < kFrameHeader) return kFrameHeader - bytes.size();
  const size_t whole = kFrameHeader + NumberAt(bytes, 3);
  return whole > bytes.size() ? whole - bytes.size() : 0;
}

std::string EncodeChain(const std::vector<std::string>& chain) {
  std::string out;
  for (const std::string& der : chain) out += Vector(der, 2);
  return out;
}

std::optional<std::vector<std::string>> DecodeChain(std::string_view body) {
  std::vector<std::string> chain;
  while (!body.empty()) {
    if (body.size() < 2 || body.size() - 2 < NumberAt(body, 0)) return std::nullopt;
    const size_t length = NumberAt(body, 0);
    chain.emplace_back(body.substr(2, length));
    body.remove_prefix(2 + length);
  }
  return chain;
}

std::string EncodeServerFlight(const ServerFlight& flight) {
  return Vector(flight.alpn, 1) + EncodeChain(flight.chain);
}

std::optional<ServerFlight> DecodeServerFlight(std::string_view body) {
  if (body.empty()) return std::nullopt;
  const size_t length = static_cast<uint8_t>(body.front());
  if (body.size() - 1 < length) return std::nullopt;
  auto chain = DecodeChain(body.substr(1 + length));
  if (!chain.has_value()) return std::nullopt;
  return ServerFlight{std::string(body.substr(1, length)), *std::move(chain)};
}

}  // namespace tulle::tls
