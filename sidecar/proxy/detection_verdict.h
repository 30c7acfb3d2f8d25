#pragma once

#include <cstdint>

namespace tulle::proxy {

// How the detection of a connection's protocol ended.
enum class DetectionVerdict : uint8_t {
  kTls,
  kHttp1,
  kHttp2,
  kTcp,     // neither TLS nor HTTP
  kNotTls,  // HTTP was not looked for: no filter chain depends on it
  kServerFirst,
  kTimeout,  // the peer was silent, or had sent too little
  kClosed,   // by the peer, before it was clear
  kMalformedTls,
};

}  // namespace tulle::proxy
