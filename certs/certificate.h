// A parsed X.509 certificate: an immutable, shared value, safe to read from any thread.
//
// Times are seconds since the epoch (UTC). Strings of names are the bytes of the certificate.
// Source: RFC 5280; the subject's text is RFC 2253's, as Envoy prints it in XFCC.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/der.h"

namespace tulle::certs {

class Certificate {
 public:
  // Fails on anything other than exactly one well-formed certificate, including an unreadable SAN
  // extension.
  static absl::StatusOr<Certificate> FromDer(std::string_view der);
  // Facts and DER of a certificate that was built in memory.
  static absl::StatusOr<Certificate> FromNative(X509* certificate);

  const std::string& der() const { return facts_->der; }
  std::string ToPem() const { return EncodePem("CERTIFICATE", facts_->der); }

  const std::string& serial() const { return facts_->serial; }  // lower-case hex, big endian
  std::int64_t not_before() const { return facts_->not_before; }
  std::int64_t not_after() const { return facts_->not_after; }
  const std::string& subject() const { return facts_->subject; }
  const std::string& issuer() const { return facts_->issuer; }
  const std::vector<std::string>& uri_sans() const { return facts_->uri_sans; }
  const std::vector<std::string>& dns_sans() const { return facts_->dns_sans; }
  const std::vector<std::string>& ip_sans() const { return facts_->ip_sans; }  // as text
  bool has_san() const { return facts_->has_san; }
  bool san_is_critical() const { return facts_->san_is_critical; }
  bool is_ca() const { return facts_->is_ca; }
  // SHA-256 of the DER, lower-case hex: Hash in XFCC.
  const std::string& sha256() const { return facts_->sha256; }

  X509* native() const { return x509_.get(); }

 private:
  struct Facts {
    std::string der, serial, subject, issuer, sha256;
    std::int64_t not_before = 0;
    std::int64_t not_after = 0;
    std::vector<std::string> uri_sans, dns_sans, ip_sans;
    bool has_san = false;
    bool san_is_critical = false;
    bool is_ca = false;
  };

  static bool ReadSans(X509* x509, Facts* facts);

  Certificate(std::shared_ptr<X509> x509, std::shared_ptr<const Facts> facts)
      : x509_(std::move(x509)), facts_(std::move(facts)) {}

  std::shared_ptr<X509> x509_;
  std::shared_ptr<const Facts> facts_;
};

// At least one certificate, in the order of the text; other kinds of blocks are skipped.
absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(std::string_view pem,
                                                              const PemLimits& limits = {});
std::string ToPem(const std::vector<Certificate>& certificates);

// Whether `key` is the private half of the certificate's public key.
bool Matches(const Certificate& certificate, const EVP_PKEY* key);

}  // namespace tulle::certs
