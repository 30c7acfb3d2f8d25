#include "certs/csr.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/status/status.h"
#include "certs/certificate_builder.h"
#include "certs/der.h"

namespace tulle::certs {
namespace {

absl::Status BadRequest(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(
      std::string(what) +
      "; send a PKCS#10 request of at most 64 KiB, signed by its own P-256 or Ed25519 key");
}

absl::StatusOr<std::string> DerOf(std::string_view text) {
  if (text.find("-----BEGIN") == std::string_view::npos) return std::string(text);
  const auto blocks = ParsePem(text, {.max_bytes = CertificateRequest::kMaxBytes, .max_blocks = 1});
  if (!blocks.ok()) return blocks.status();
  if (blocks->empty() || (blocks->front().label != "CERTIFICATE REQUEST" &&
                          blocks->front().label != "NEW CERTIFICATE REQUEST")) {
    return BadRequest("the PEM text does not contain a certificate request");
  }
  return blocks->front().der;
}

// Of the extensions that are requested.
absl::StatusOr<std::string> LabelsOf(X509_REQ* request) {
  const bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(X509_REQ_get_extensions(request));
  absl::StatusOr<std::string> text = LabelsTextIn(extensions.get());
  if (!text.ok()) return text;
  const absl::StatusOr<WorkloadLabels> labels = ParseWorkloadLabels(*text);
  return labels.ok() ? text : labels.status();
}

bool IsAccepted(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::kP256 || algorithm == KeyAlgorithm::kEd25519;
}

}  // namespace

absl::StatusOr<CertificateRequest> CertificateRequest::Parse(std::string_view pem_or_der) {
  if (pem_or_der.size() > kMaxBytes) return BadRequest("certificate request exceeds 64 KiB");
  const auto der = DerOf(pem_or_der);
  if (!der.ok()) return der.status();
  const auto* at = reinterpret_cast<const std::uint8_t*>(der->data());
  const auto* end = at + der->size();
  bssl::UniquePtr<X509_REQ> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der->size())));
  if (request == nullptr || at != end) return BadRequest("malformed certificate request");
  bssl::UniquePtr<EVP_PKEY> key(X509_REQ_get_pubkey(request.get()));
  if (key == nullptr || !IsAccepted(AlgorithmOf(key.get()))) {
    return BadRequest("unsupported key in the certificate request: must be P-256 or Ed25519");
  }
  if (X509_REQ_verify(request.get(), key.get()) != 1) {
    return BadRequest("the certificate request must be signed by its own key");
  }
  absl::StatusOr<std::string> labels = LabelsOf(request.get());
  if (!labels.ok()) return BadRequest(std::string(labels.status().message()));
  return CertificateRequest(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free),
                            *std::move(labels));
}

std::string BuildCertificateRequest(const PrivateKey& key, const SpiffeId& id,
                                    const WorkloadLabels& labels) {
  bssl::UniquePtr<X509_REQ> request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  X509_REQ_set_pubkey(request.get(), key.native());
  bssl::UniquePtr<GENERAL_NAMES> names = MakeGeneralNames({.uris = {id.ToString()}});
  bssl::UniquePtr<STACK_OF(X509_EXTENSION)> extensions(sk_X509_EXTENSION_new_null());
  bssl::UniquePtr<X509_EXTENSION> san(X509V3_EXT_i2d(NID_subject_alt_name, 1, names.get()));
  bssl::PushToStack(extensions.get(), std::move(san));
  if (!labels.empty()) bssl::PushToStack(extensions.get(), MakeLabelsExtension(TextOf(labels)));
  X509_REQ_add_extensions(request.get(), extensions.get());
  const EVP_MD* digest = DigestFor(key.native());
  if (!X509_REQ_sign(request.get(), key.native(), digest)) {
    ERR_clear_error();
    return "";
  }
  std::uint8_t* bytes = nullptr;
  const int length = i2d_X509_REQ(request.get(), &bytes);
  return length <= 0 ? "" : EncodePem("CERTIFICATE REQUEST", TakeBytes(bytes, length));
}

}  // namespace tulle::certs
