// Bounded PEM reading, DER marshalling and hashes.
#include "certs/der.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "absl/status/status.h"

namespace tulle::certs {
namespace {

absl::Status BadPem(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(std::string(what) +
                                    "; check the file with: openssl storeutl -noout -text FILE");
}

bool LastErrorIsEndOfText() {
  const std::uint32_t error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

}  // namespace

absl::StatusOr<std::vector<PemBlock>> ParsePem(std::string_view text, const PemLimits& limits) {
  if (text.size() > limits.max_bytes) return BadPem("PEM text too long");
  bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (bio == nullptr) return BadPem("out of memory while reading PEM");
  std::vector<PemBlock> blocks;
  ERR_clear_error();
  while (true) {
    char* label = nullptr;
    char* header = nullptr;
    std::uint8_t* bytes = nullptr;
    long length = 0;
    if (!PEM_read_bio(bio.get(), &label, &header, &bytes, &length)) {
      if (!LastErrorIsEndOfText()) return BadPem("invalid PEM block");
      ERR_clear_error();
      return blocks;
    }
    PemBlock block{label, TakeBytes(bytes, length)};
    const bool has_headers = header[0] != '\0';
    OPENSSL_free(label);
    OPENSSL_free(header);
    if (has_headers) return BadPem("unsupported PEM block: encrypted or with headers");
    if (blocks.size() == limits.max_blocks) return BadPem("too many PEM blocks");
    blocks.push_back(std::move(block));
  }
}

std::string EncodePem(std::string_view label, std::string_view der) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  const std::string name(label);
  PEM_write_bio(bio.get(), name.c_str(), "", reinterpret_cast<const std::uint8_t*>(der.data()),
                static_cast<long>(der.size()));
  const std::uint8_t* data = nullptr;
  std::size_t length = 0;
  BIO_mem_contents(bio.get(), &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}

std::string Marshal(const std::function<int(CBB*)>& write) {
  bssl::ScopedCBB cbb;
  std::uint8_t* bytes = nullptr;
  std::size_t length = 0;
  if (!CBB_init(cbb.get(), 256) || !write(cbb.get()) || !CBB_finish(cbb.get(), &bytes, &length)) {
    ERR_clear_error();
    return "";
  }
  return TakeBytes(bytes, length);
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string HexSha256(std::string_view bytes) {
  char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<std::uint8_t*>(digest));
  return Hex(std::string_view(digest, sizeof(digest)));
}

std::string TakeBytes(std::uint8_t* bytes, std::size_t length) {
  std::string out(reinterpret_cast<char*>(bytes), length);
  OPENSSL_free(bytes);
  return out;
}

CBS ToCbs(std::string_view bytes) {
  CBS cbs;
  CBS_init(&cbs, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return cbs;
}

}  // namespace tulle::certs
