// DER and PEM primitives of certs: bounded PEM reading, marshalling, hashes.
//
// Pure functions, any thread. Untrusted text is bounded before it is decoded. Source: RFC 7468.
#pragma once

#include <openssl/bytestring.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::certs {

struct PemLimits {
  std::size_t max_bytes = 1 << 20;
  std::size_t max_blocks = 1024;
};

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PRIVATE KEY", ...
  std::string der;
};

// All blocks in order. Text between blocks is skipped, because openssl writes such text. A block
// that cannot be decoded fails the whole text.
absl::StatusOr<std::vector<PemBlock>> ParsePem(std::string_view text, const PemLimits& limits);
std::string EncodePem(std::string_view label, std::string_view der);

// Empty when `write` fails.
std::string Marshal(const std::function<int(CBB*)>& write);

std::string HexSha256(std::string_view bytes);  // lower case
std::string Hex(std::string_view bytes);        // lower case
CBS ToCbs(std::string_view bytes);
// A copy of what BoringSSL allocated for its caller, which is freed.
std::string TakeBytes(std::uint8_t* bytes, std::size_t length);

}  // namespace tulle::certs
