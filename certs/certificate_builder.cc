// Encodes and signs certificates with BoringSSL.
#include "certs/certificate_builder.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "absl/status/status.h"
#include "certs/workload_labels.h"

namespace tulle::certs {
namespace {

absl::Status CannotBuild(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError("cannot build certificate: " + std::string(what));
}

bool AddName(GENERAL_NAMES* names, int type, int string_type, std::string_view value) {
  bssl::UniquePtr<GENERAL_NAME> name(GENERAL_NAME_new());
  bssl::UniquePtr<ASN1_STRING> text(ASN1_STRING_type_new(string_type));
  if (name == nullptr || text == nullptr ||
      !ASN1_STRING_set(text.get(), value.data(), static_cast<int>(value.size()))) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, text.release());
  return bssl::PushToStack(names, std::move(name));
}

bool AddAddress(GENERAL_NAMES* names, const std::string& text) {
  if (text.find('\0') != std::string::npos) return false;  // inet_pton() ends there
  char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) {
    return AddName(names, GEN_IPADD, V_ASN1_OCTET_STRING, std::string_view(bytes, 4));
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) {
    return AddName(names, GEN_IPADD, V_ASN1_OCTET_STRING, std::string_view(bytes, 16));
  }
  return false;
}

bool AddSubjectEntry(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() ||
         X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const std::uint8_t*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0);
}

bool SetSerial(X509* x509, const std::string& serial) {
  bssl::UniquePtr<BIGNUM> number(
      BN_bin2bn(reinterpret_cast<const std::uint8_t*>(serial.data()), serial.size(), nullptr));
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509));
}

bool SetTimes(X509* x509, const CertificateFields& fields) {
  return ASN1_TIME_set(X509_getm_notBefore(x509), fields.not_before) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(x509), fields.not_after) != nullptr;
}

bool AddExtension(X509* x509, X509V3_CTX* context, int nid, const std::string& value) {
  if (value.empty()) return true;
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(x509, extension.get(), -1);
}

bool AddExtensions(X509* x509, X509* issuer, const CertificateFields& fields) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  if (!AddExtension(x509, &context, NID_basic_constraints, fields.basic_constraints) ||
      !AddExtension(x509, &context, NID_key_usage, fields.key_usage) ||
      !AddExtension(x509, &context, NID_ext_key_usage, fields.extended_key_usage) ||
      !AddExtension(x509, &context, NID_subject_key_identifier, "hash") ||
      (issuer != x509 && !AddExtension(x509, &context, NID_authority_key_identifier, "keyid"))) {
    return false;
  }
  if (!fields.labels.empty()) {
    const bssl::UniquePtr<X509_EXTENSION> labels = MakeLabelsExtension(fields.labels);
    if (labels == nullptr || !X509_add_ext(x509, labels.get(), -1)) return false;
  }
  if (fields.names.empty()) return true;
  bssl::UniquePtr<GENERAL_NAMES> names = MakeGeneralNames(fields.names);
  return names != nullptr && X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(),
                                               fields.names_critical ? 1 : 0, 0);
}

}  // namespace

bssl::UniquePtr<GENERAL_NAMES> MakeGeneralNames(const AlternativeNames& names) {
  bssl::UniquePtr<GENERAL_NAMES> out(GENERAL_NAMES_new());
  bool ok = out != nullptr;
  for (const auto& uri : names.uris) ok = ok && AddName(out.get(), GEN_URI, V_ASN1_IA5STRING, uri);
  for (const auto& dns : names.dns) ok = ok && AddName(out.get(), GEN_DNS, V_ASN1_IA5STRING, dns);
  for (const auto& ip : names.ips) ok = ok && AddAddress(out.get(), ip);
  return ok ? std::move(out) : nullptr;
}

const EVP_MD* DigestFor(const EVP_PKEY* key) {
  return EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

absl::StatusOr<Certificate> BuildCertificate(const CertificateFields& fields, EVP_PKEY* public_key,
                                             const Certificate* issuer, EVP_PKEY* issuer_key) {
  bssl::UniquePtr<X509> x509(X509_new());
  X509_NAME* subject = X509_get_subject_name(x509.get());
  if (!X509_set_version(x509.get(), X509_VERSION_3) || !SetSerial(x509.get(), fields.serial) ||
      !SetTimes(x509.get(), fields) || !AddSubjectEntry(subject, "O", fields.organization) ||
      !AddSubjectEntry(subject, "CN", fields.common_name)) {
    return CannotBuild("serial, validity or subject out of range");
  }
  X509* signer = issuer == nullptr ? x509.get() : issuer->native();
  if (!X509_set_issuer_name(x509.get(), X509_get_subject_name(signer)) ||
      !X509_set_pubkey(x509.get(), public_key) || !AddExtensions(x509.get(), signer, fields)) {
    return CannotBuild("cannot encode a name or extension; check the DNS names and addresses");
  }
  if (!X509_sign(x509.get(), issuer_key, DigestFor(issuer_key))) {
    return CannotBuild("the issuer's key cannot sign; use P-256 or Ed25519");
  }
  return Certificate::FromNative(x509.get());
}

}  // namespace tulle::certs
