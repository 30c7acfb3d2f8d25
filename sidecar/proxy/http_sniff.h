#pragma once

#include <cstdint>
#include <string_view>

namespace tulle::proxy {

// RFC 9113 3.4.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// What the first bytes of a plaintext connection are. Pure. Source: RFC 9112 3, RFC 9113 3.4;
// Envoy's http_inspector asks for the whole first line too.
enum class HttpVerdict : uint8_t { kNeedMore, kHttp10, kHttp11, kHttp2, kNotHttp };

// `seen`: all that has come so far. Says kNeedMore for at most 8 KiB.
HttpVerdict SniffHttp(std::string_view seen);

}  // namespace tulle::proxy
