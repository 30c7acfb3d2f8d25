// Encodes, signs and reads revocation lists with BoringSSL.
#include "certs/revocation_list.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>

#include "certs/certificate_builder.h"
#include "certs/der.h"

namespace tulle::certs {
namespace {

constexpr char kLabel[] = "X509 CRL";
constexpr PemLimits kLimits = {.max_bytes = 16 << 20, .max_blocks = 64};

absl::Status Invalid(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError("invalid revocation list: " + std::string(what));
}

std::string DerOf(const X509_NAME* name) {
  std::uint8_t* bytes = nullptr;
  const int length = i2d_X509_NAME(const_cast<X509_NAME*>(name), &bytes);
  return length < 0 ? "" : TakeBytes(bytes, static_cast<std::size_t>(length));
}

std::string HexOf(const ASN1_INTEGER* serial) {
  bssl::UniquePtr<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (number == nullptr) return "";
  std::string bytes(BN_num_bytes(number.get()), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<std::uint8_t*>(bytes.data()));
  return Hex(bytes);
}

bool AddEntry(X509_CRL* list, const RevokedSerial& revoked) {
  bssl::UniquePtr<X509_REVOKED> entry(X509_REVOKED_new());
  bssl::UniquePtr<ASN1_TIME> at(ASN1_TIME_set(nullptr, revoked.revoked_at));
  BIGNUM* parsed = nullptr;
  const int digits = BN_hex2bn(&parsed, revoked.serial.c_str());
  bssl::UniquePtr<BIGNUM> number(parsed);  // set even if there is no digit
  if (entry == nullptr || at == nullptr || digits == 0) return false;
  bssl::UniquePtr<ASN1_INTEGER> serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  return serial != nullptr && X509_REVOKED_set_serialNumber(entry.get(), serial.get()) &&
         X509_REVOKED_set_revocationDate(entry.get(), at.get()) &&
         X509_CRL_add0_revoked(list, entry.release());
}

bool SetTimes(X509_CRL* list, std::int64_t from, std::int64_t until) {
  bssl::UniquePtr<ASN1_TIME> last(ASN1_TIME_set(nullptr, from));
  bssl::UniquePtr<ASN1_TIME> next(ASN1_TIME_set(nullptr, until));
  return last != nullptr && next != nullptr && X509_CRL_set1_lastUpdate(list, last.get()) &&
         X509_CRL_set1_nextUpdate(list, next.get());
}

bool IsSignedByOneOf(std::span<const Certificate> roots, X509_CRL* list) {
  return std::any_of(roots.begin(), roots.end(), [list](const Certificate& root) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(root.native())) != 0) {
      return false;
    }
    bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(root.native()));
    return key != nullptr && X509_CRL_verify(list, key.get()) == 1;
  });
}

}  // namespace

absl::StatusOr<std::string> IssueRevocationList(const Authority& issuer,
                                                std::span<const RevokedSerial> revoked,
                                                std::int64_t now) {
  const Certificate& root = issuer.certificate();
  bssl::UniquePtr<X509_CRL> list(X509_CRL_new());
  bool built = list != nullptr && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) &&
               X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(root.native())) &&
               SetTimes(list.get(), now - kBackdateSeconds, root.not_after());
  for (const RevokedSerial& each : revoked) built = built && AddEntry(list.get(), each);
  EVP_PKEY* key = issuer.key().native();
  if (!built || !X509_CRL_sort(list.get()) || !X509_CRL_sign(list.get(), key, DigestFor(key))) {
    return Invalid("a serial number or time cannot be encoded, or the key cannot sign");
  }
  std::uint8_t* bytes = nullptr;
  const int length = i2d_X509_CRL(list.get(), &bytes);
  if (length < 0) return Invalid("cannot be encoded");
  return EncodePem(kLabel, TakeBytes(bytes, static_cast<std::size_t>(length)));
}

absl::Status RevocationList::Add(std::string_view pem, std::span<const Certificate> roots) {
  const auto blocks = ParsePem(pem, kLimits);
  if (!blocks.ok()) return blocks.status();
  bool found = false;
  for (const PemBlock& block : *blocks) {
    if (block.label != kLabel) continue;
    found = true;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(block.der.data());
    bssl::UniquePtr<X509_CRL> list(
        d2i_X509_CRL(nullptr, &bytes, static_cast<long>(block.der.size())));
    if (list == nullptr) return Invalid("not a CRL in DER");
    if (!IsSignedByOneOf(roots, list.get())) {
      return Invalid("not signed by a CA of trusted_ca; use the CRL of the same CA");
    }
    const std::string issuer = DerOf(X509_CRL_get_issuer(list.get()));
    const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list.get());
    for (std::size_t i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
      const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
      entries_.insert(issuer + HexOf(X509_REVOKED_get0_serialNumber(entry)));
    }
  }
  return found ? absl::OkStatus() : Invalid("no block BEGIN X509 CRL");
}

bool RevocationList::Contains(const Certificate& certificate) const {
  if (entries_.empty()) return false;
  return entries_.contains(DerOf(X509_get_issuer_name(certificate.native())) +
                           certificate.serial());
}

bool RevocationList::IsSubsetOf(const RevocationList& other) const {
  return std::includes(other.entries_.begin(), other.entries_.end(), entries_.begin(),
                       entries_.end());
}

std::string RevocationList::ContentHash() const {
  std::string text;
  for (const std::string& entry : entries_) text.append(HexSha256(entry)).append("\n");
  return HexSha256(text);
}

}  // namespace tulle::certs
