// Parses a ClientHello that may be spread over records and reads.
#include "net/tls/client_hello.h"

#include <algorithm>

namespace tulle::tls {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxRecord = 16 * 1024;  // RFC 8446, 5.1
constexpr uint16_t kServerName = 0;
constexpr uint16_t kAlpn = 16;
constexpr uint16_t kSupportedVersions = 43;
constexpr uint8_t kHostName = 0;
constexpr size_t kMaxHostName = 255;
constexpr size_t kRandom = 32;
constexpr size_t kMaxSessionId = 32;

// A cursor that stays bad after its first error.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool empty() const { return bytes_.empty(); }
  size_t left() const { return bytes_.size(); }

  std::string_view Take(size_t count) {
    if (count > bytes_.size()) ok_ = false;
    const std::string_view taken = bytes_.substr(0, ok_ ? count : 0);
    bytes_.remove_prefix(ok_ ? count : bytes_.size());
    return taken;
  }
  uint16_t Number(size_t width) {
    uint16_t number = 0;
    for (const char c : Take(width)) {
      number = static_cast<uint16_t>(number << 8 | static_cast<uint8_t>(c));
    }
    return number;
  }
  // A vector prefixed with its length in `width` bytes.
  std::string_view Vector(size_t width) { return Take(Number(width)); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

bool ParseServerName(std::string_view body, ClientHello* hello) {
  Reader extension(body);
  Reader names(extension.Vector(2));
  if (!extension.empty() || names.empty()) return false;
  while (!names.empty()) {
    const uint16_t type = names.Number(1);
    const std::string_view name = names.Vector(2);
    if (!names.ok()) return false;
    if (type != kHostName) continue;
    if (!hello->sni.empty() || name.empty() || name.size() > kMaxHostName ||
        name.find('\0') != std::string_view::npos) {
      return false;
    }
    hello->sni = name;
    for (char& c : hello->sni) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
  }
  return extension.ok();
}

bool ParseAlpn(std::string_view body, ClientHello* hello) {
  Reader extension(body);
  Reader names(extension.Vector(2));
  if (!extension.ok() || !extension.empty() || names.empty()) return false;
  while (!names.empty()) {
    const std::string_view name = names.Vector(1);
    if (!names.ok() || name.empty()) return false;
    hello->alpn.emplace_back(name);
  }
  return true;
}

bool ParseVersions(std::string_view body, ClientHello* hello) {
  Reader extension(body);
  Reader versions(extension.Vector(1));
  if (!extension.ok() || !extension.empty() || versions.empty()) return false;
  while (!versions.empty()) hello->versions.push_back(versions.Number(2));
  return versions.ok();
}

bool ParseExtension(uint16_t type, std::string_view body, ClientHello* hello) {
  switch (type) {
    case kServerName:
      return ParseServerName(body, hello);
    case kAlpn:
      return ParseAlpn(body, hello);
    case kSupportedVersions:
      return ParseVersions(body, hello);
    default:
      return true;
  }
}

// RFC 8446, 4.2: no extension twice.
bool HasTwins(std::vector<uint16_t> types) {
  std::sort(types.begin(), types.end());
  return std::adjacent_find(types.begin(), types.end()) != types.end();
}

}  // namespace

HelloVerdict ClientHelloParser::Feed(std::string_view bytes) {
  while (verdict_ == HelloVerdict::kNeedMore && !bytes.empty()) {
    if (record_left_ == 0) {
      verdict_ = FeedRecordHeader(&bytes);
      continue;
    }
    const std::string_view piece = bytes.substr(0, record_left_);
    message_.append(piece);
    record_left_ -= piece.size();
    bytes.remove_prefix(piece.size());
    verdict_ = CheckMessage();
  }
  return verdict_;
}

HelloVerdict ClientHelloParser::FeedRecordHeader(std::string_view* bytes) {
  const bool first = message_.empty();
  header_[header_size_++] = static_cast<uint8_t>(bytes->front());
  bytes->remove_prefix(1);
  const uint8_t byte = header_[header_size_ - 1];
  // Only the first record can show that this is not TLS.
  const HelloVerdict wrong = first ? HelloVerdict::kNotTls : HelloVerdict::kMalformed;
  if (header_size_ == 1 && byte != kHandshakeRecord) return wrong;
  if (header_size_ == 2 && byte != 3) return wrong;
  if (header_size_ < header_.size()) return HelloVerdict::kNeedMore;
  header_size_ = 0;
  record_left_ = static_cast<size_t>(header_[3]) << 8 | header_[4];
  // An empty handshake record is forbidden (RFC 8446, 5.1).
  return record_left_ == 0 || record_left_ > kMaxRecord ? HelloVerdict::kMalformed
                                                        : HelloVerdict::kNeedMore;
}

HelloVerdict ClientHelloParser::CheckMessage() {
  if (message_[0] != kClientHelloMessage) return HelloVerdict::kMalformed;
  if (message_.size() < kMessageHeader) return HelloVerdict::kNeedMore;
  const size_t length = static_cast<size_t>(static_cast<uint8_t>(message_[1])) << 16 |
                        static_cast<size_t>(static_cast<uint8_t>(message_[2])) << 8 |
                        static_cast<uint8_t>(message_[3]);
  if (length > kMaxHello) return HelloVerdict::kMalformed;
  if (message_.size() < kMessageHeader + length) return HelloVerdict::kNeedMore;
  message_.resize(kMessageHeader + length);
  return ParseMessage() ? HelloVerdict::kHello : HelloVerdict::kMalformed;
}

bool ClientHelloParser::ParseMessage() {
  Reader message(message_);
  message.Take(kMessageHeader);
  const uint16_t legacy_version = message.Number(2);
  message.Take(kRandom);
  const std::string_view session_id = message.Vector(1);
  const std::string_view suites = message.Vector(2);
  const std::string_view compressions = message.Vector(1);
  if (!message.ok() || session_id.size() > kMaxSessionId || suites.empty() ||
      suites.size() % 2 != 0 || compressions.empty()) {
    return false;
  }
  std::vector<uint16_t> seen;
  if (!message.empty()) {  // TLS 1.2 clients may end here
    Reader extensions(message.Vector(2));
    if (!message.ok() || !message.empty()) return false;
    extensions_at_ = message_.size() - extensions.left();
    while (!extensions.empty()) {
      const uint16_t type = extensions.Number(2);
      const std::string_view body = extensions.Vector(2);
      if (!extensions.ok() || !ParseExtension(type, body, &hello_)) return false;
      seen.push_back(type);
    }
  }
  if (hello_.versions.empty()) hello_.versions.push_back(legacy_version);
  return !HasTwins(std::move(seen));
}

std::optional<std::string_view> ClientHelloParser::FindExtension(uint16_t type) const {
  if (extensions_at_ == 0) return std::nullopt;
  Reader extensions(std::string_view(message_).substr(extensions_at_));
  while (!extensions.empty()) {
    const uint16_t here = extensions.Number(2);
    const std::string_view body = extensions.Vector(2);
    if (here == type) return body;
  }
  return std::nullopt;
}

}  // namespace tulle::tls
