// Issues SVIDs and cross-signs roots; the fields of each kind of certificate are set here.
#include "certs/authority.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/status/status.h"
#include "certs/certificate_builder.h"

namespace tulle::certs {
namespace {

constexpr std::size_t kSerialBytes = 16;
constexpr std::size_t kShownHashDigits = 12;

std::string NewSerial(KeySource& keys) {
  std::string serial(kSerialBytes, '\0');
  keys.FillRandom({reinterpret_cast<std::uint8_t*>(serial.data()), serial.size()});
  // RFC 5280, 4.1.2.2: positive, not zero.
  serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);
  return serial;
}

// The fields of a root certificate, whether self-signed or signed by another root.
CertificateFields RootFields(const SpiffeId& id, const PrivateKey& key, KeySource& keys) {
  CertificateFields fields;
  // The subject differs from root to root, so that a bundle of two is readable and path building
  // never has to try both.
  fields.common_name = "Tulle root " + key.PublicKeyHash().substr(0, kShownHashDigits);
  fields.serial = NewSerial(keys);
  fields.names.uris = {id.ToString()};
  fields.basic_constraints = "critical,CA:TRUE";
  fields.key_usage = "critical,keyCertSign,cRLSign";
  return fields;
}

bool CanSign(const PrivateKey& key) {
  return key.algorithm() == KeyAlgorithm::kP256 || key.algorithm() == KeyAlgorithm::kEd25519;
}

}  // namespace

absl::StatusOr<Authority> Authority::CreateRoot(std::string_view trust_domain, KeySource& keys,
                                                std::int64_t now, std::int64_t lifetime_seconds) {
  const auto id = SpiffeId::ForTrustDomain(trust_domain);
  if (!id.ok()) return id.status();
  PrivateKey key = keys.Generate();
  CertificateFields fields = RootFields(*id, key, keys);
  fields.not_before = now - kBackdateSeconds;
  fields.not_after = now + lifetime_seconds;
  auto certificate = BuildCertificate(fields, key.native(), nullptr, key.native());
  if (!certificate.ok()) return certificate.status();
  return Authority(*id, *std::move(certificate), std::move(key));
}

absl::StatusOr<Authority> Authority::FromPem(std::string_view certificate_pem,
                                             std::string_view key_pem) {
  auto certificates = ParsePemCertificates(certificate_pem);
  if (!certificates.ok()) return certificates.status();
  auto key = PrivateKey::FromPem(key_pem);
  if (!key.ok()) return key.status();
  const Certificate& root = certificates->front();
  if (!root.is_ca() || !Matches(root, key->native()) || !CanSign(*key)) {
    return absl::InvalidArgumentError(
        "the CA certificate and key do not match, or are not a CA's; use the "
        "pair that the control plane wrote (P-256 or Ed25519)");
  }
  if (root.uri_sans().size() != 1) {
    return absl::InvalidArgumentError(
        "the CA certificate has no trust domain; its only URI SAN must be spiffe://TRUST-DOMAIN");
  }
  auto id = SpiffeId::Parse(root.uri_sans().front());
  if (!id.ok()) return id.status();
  if (!id->path().empty()) {
    return absl::InvalidArgumentError(
        "the CA certificate belongs to a workload; its URI SAN must be spiffe://TRUST-DOMAIN, no "
        "path");
  }
  return Authority(*std::move(id), root, *std::move(key));
}

absl::StatusOr<Certificate> Authority::Issue(const SvidRequest& request, KeySource& keys,
                                             std::int64_t now) const {
  if (request.id.trust_domain() != trust_domain() || request.id.path().empty()) {
    return absl::InvalidArgumentError("this CA issues for workloads of spiffe://" +
                                      std::string(trust_domain()) + " only, not for " +
                                      request.id.ToString());
  }
  const KeyAlgorithm algorithm = AlgorithmOf(request.public_key);
  if (algorithm != KeyAlgorithm::kP256 && algorithm != KeyAlgorithm::kEd25519) {
    return absl::InvalidArgumentError(
        "unsupported key: only P-256 and Ed25519 keys are signed; create a new key");
  }
  CertificateFields fields;
  fields.serial = NewSerial(keys);
  fields.not_before = std::max(now - kBackdateSeconds, certificate_.not_before());
  fields.not_after = std::min(now + request.lifetime_seconds, certificate_.not_after());
  if (fields.not_after <= now) {
    return absl::FailedPreconditionError(
        "the root certificate has expired, or the requested lifetime is not positive; rotate the "
        "root with: tullectl cert rotate");
  }
  fields.names = {{request.id.ToString()}, request.dns_names, request.ip_addresses};
  fields.names_critical = true;  // the subject is empty
  fields.basic_constraints = "critical,CA:FALSE";
  fields.key_usage = "critical,digitalSignature";
  fields.extended_key_usage = "serverAuth,clientAuth";
  fields.labels = request.labels;
  return BuildCertificate(fields, request.public_key, &certificate_, key_.native());
}

absl::StatusOr<Certificate> Authority::CrossSign(const Authority& successor, KeySource& keys,
                                                 std::int64_t now) const {
  if (successor.trust_domain() != trust_domain()) {
    return absl::InvalidArgumentError("a root of " + std::string(trust_domain()) +
                                      " can cross-sign roots of that trust domain only, not of " +
                                      std::string(successor.trust_domain()));
  }
  CertificateFields fields = RootFields(successor.id_, successor.key_, keys);
  const Certificate& theirs = successor.certificate_;
  fields.not_before = std::max(certificate_.not_before(), theirs.not_before());
  fields.not_after = std::min(certificate_.not_after(), theirs.not_after());
  if (fields.not_after <= now) {
    return absl::FailedPreconditionError(
        "an expired root cannot cross-sign: sidecars need new join tokens");
  }
  return BuildCertificate(fields, successor.key_.native(), &certificate_, key_.native());
}

}  // namespace tulle::certs
