#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::tls {

// What a client sends before TLS begins: enough to choose a filter chain, whoever terminates TLS.
struct ClientHello {
  std::string sni;                 // lower case; empty: none
  std::vector<std::string> alpn;   // as offered, in order
  std::vector<uint16_t> versions;  // 0x0304 is TLS 1.3; without the extension: legacy_version
};

enum class HelloVerdict {
  kNeedMore,
  kNotTls,     // the bytes seen so far cannot begin a TLS connection
  kMalformed,  // TLS, but not a well-formed ClientHello of at most 64 KiB
  kHello,
};

// Reads a ClientHello from a connection's first bytes, in any pieces, over any number of records.
// Pure: consumes no bytes. Owner and thread: the caller's. Source: RFC 8446 sections 4.1.2, 4.2 and
// 5.1; RFC 6066 section 3; RFC 7301 section 3.1.
class ClientHelloParser {
 public:
  static constexpr size_t kMaxHello = 64 * 1024;

  // The next bytes of the connection. After any verdict other than kNeedMore, further bytes are
  // ignored and the verdict is repeated.
  HelloVerdict Feed(std::string_view bytes);
  HelloVerdict verdict() const { return verdict_; }

  // REQUIRES: verdict() == kHello.
  const ClientHello& hello() const { return hello_; }
  // The raw body of one extension.
  std::optional<std::string_view> FindExtension(uint16_t type) const;

 private:
  HelloVerdict FeedRecordHeader(std::string_view* bytes);
  HelloVerdict CheckMessage();
  bool ParseMessage();

  HelloVerdict verdict_ = HelloVerdict::kNeedMore;
  std::array<uint8_t, 5> header_{};
  size_t header_size_ = 0;
  size_t record_left_ = 0;  // of the current record's body
  std::string message_;     // the handshake message with its four bytes of header
  size_t extensions_at_ = 0;
  ClientHello hello_;
};

}  // namespace tulle::tls
