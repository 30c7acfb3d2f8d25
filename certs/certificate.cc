// Parses X.509 certificates and reads the fields that the mesh uses.
#include "certs/certificate.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <limits>
#include <optional>

#include "absl/status/status.h"

namespace tulle::certs {
namespace {

constexpr std::size_t kMaxCertificateBytes = 64 * 1024;

absl::Status BadCertificate(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(
      std::string(what) + "; inspect the certificate with: openssl x509 -noout -text -in FILE");
}

std::optional<std::int64_t> ToEpochSeconds(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (epoch == nullptr || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return std::nullopt;
  return std::int64_t{days} * 86400 + seconds;
}

std::string TextOf(X509_NAME* name) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) return "";
  if (X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return "";
  const std::uint8_t* data = nullptr;
  std::size_t length = 0;
  BIO_mem_contents(bio.get(), &data, &length);
  return std::string(reinterpret_cast<const char*>(data), length);
}

std::string SerialText(X509* x509) {
  bssl::UniquePtr<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nullptr));
  if (number == nullptr) return "";
  std::string bytes(BN_num_bytes(number.get()), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<std::uint8_t*>(bytes.data()));
  return Hex(bytes);
}

std::string TextOf(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     ASN1_STRING_length(text));
}

std::optional<std::string> AddressText(const ASN1_STRING* address) {
  char text[INET6_ADDRSTRLEN];
  const int length = ASN1_STRING_length(address);
  if (length != 4 && length != 16) return std::nullopt;
  if (inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text,
                sizeof(text)) == nullptr) {
    return std::nullopt;
  }
  return text;
}

std::string DerOf(X509* x509) {
  std::uint8_t* bytes = nullptr;
  const int length = i2d_X509(x509, &bytes);
  if (length <= 0) return "";
  return TakeBytes(bytes, length);
}

}  // namespace

bool Certificate::ReadSans(X509* x509, Facts* facts) {
  int critical = -1;
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nullptr)));
  if (names == nullptr) return critical == -1;  // -1: no such extension; otherwise it is malformed
  facts->has_san = true;
  facts->san_is_critical = critical > 0;
  for (const GENERAL_NAME* name : names.get()) {
    if (name->type == GEN_URI) {
      facts->uri_sans.push_back(TextOf(name->d.uniformResourceIdentifier));
    } else if (name->type == GEN_DNS) {
      facts->dns_sans.push_back(TextOf(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      auto text = AddressText(name->d.iPAddress);
      if (!text.has_value()) return false;
      facts->ip_sans.push_back(*std::move(text));
    }
  }
  return true;
}

absl::StatusOr<Certificate> Certificate::FromNative(X509* certificate) {
  auto facts = std::make_shared<Facts>();
  facts->der = DerOf(certificate);
  if (facts->der.empty()) return BadCertificate("cannot encode certificate");
  const auto not_before = ToEpochSeconds(X509_get0_notBefore(certificate));
  const auto not_after = ToEpochSeconds(X509_get0_notAfter(certificate));
  if (!not_before || !not_after) return BadCertificate("malformed validity in certificate");
  if ((X509_get_extension_flags(certificate) & EXFLAG_INVALID) != 0 ||
      !ReadSans(certificate, facts.get())) {
    return BadCertificate("malformed extension in certificate");
  }
  facts->not_before = *not_before;
  facts->not_after = *not_after;
  facts->serial = SerialText(certificate);
  facts->subject = TextOf(X509_get_subject_name(certificate));
  facts->issuer = TextOf(X509_get_issuer_name(certificate));
  facts->sha256 = HexSha256(facts->der);
  facts->is_ca = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
  X509_up_ref(certificate);
  ERR_clear_error();
  return Certificate(std::shared_ptr<X509>(certificate, X509_free), std::move(facts));
}

absl::StatusOr<Certificate> Certificate::FromDer(std::string_view der) {
  if (der.size() > kMaxCertificateBytes) return BadCertificate("certificate exceeds 64 KiB");
  const auto* at = reinterpret_cast<const std::uint8_t*>(der.data());
  const auto* end = at + der.size();
  bssl::UniquePtr<X509> x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (x509 == nullptr) return BadCertificate("invalid certificate: not DER");
  if (at != end) return BadCertificate("unexpected bytes after a certificate");
  return FromNative(x509.get());
}

absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(std::string_view pem,
                                                              const PemLimits& limits) {
  const auto blocks = ParsePem(pem, limits);
  if (!blocks.ok()) return blocks.status();
  std::vector<Certificate> certificates;
  for (const PemBlock& block : *blocks) {
    if (block.label != "CERTIFICATE") continue;
    auto certificate = Certificate::FromDer(block.der);
    if (!certificate.ok()) return certificate.status();
    certificates.push_back(*std::move(certificate));
  }
  if (certificates.empty()) return BadCertificate("no certificate found in the PEM text");
  return certificates;
}

std::string ToPem(const std::vector<Certificate>& certificates) {
  std::string pem;
  for (const Certificate& certificate : certificates) pem += certificate.ToPem();
  return pem;
}

bool Matches(const Certificate& certificate, const EVP_PKEY* key) {
  bssl::UniquePtr<EVP_PKEY> public_key(X509_get_pubkey(certificate.native()));
  const bool same = public_key != nullptr && EVP_PKEY_cmp(public_key.get(), key) == 1;
  ERR_clear_error();
  return same;
}

}  // namespace tulle::certs
