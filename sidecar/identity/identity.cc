#include "sidecar/identity/identity.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "certs/private_key.h"
#include "sidecar/identity/state_file.h"

// The file: key, chain and roots in PEM, with a separator line after each of the first two.
namespace tulle::identity {
namespace {

constexpr std::string_view kSectionEnd = "-----TULLE SECTION END-----\n";

std::string_view TakeSection(std::string_view* text) {
  const size_t end = text->find(kSectionEnd);
  if (end == std::string_view::npos) return {};
  const std::string_view section = text->substr(0, end);
  text->remove_prefix(end + kSectionEnd.size());
  return section;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Identity>> MakeIdentity(std::string key_pem,
                                                             std::string chain_pem,
                                                             std::string roots_pem) {
  auto key = certs::PrivateKey::FromPem(key_pem);
  if (!key.ok()) return absl::InvalidArgumentError("invalid private key");
  auto chain = certs::ParsePemCertificates(chain_pem);
  if (!chain.ok()) return chain.status();
  auto trust = certs::TrustBundle::AnyDomainFromPem(roots_pem);
  if (!trust.ok()) return trust.status();
  const certs::Certificate& leaf = chain->front();
  if (!certs::Matches(leaf, key->native())) {
    return absl::InvalidArgumentError("the certificate does not match the private key");
  }
  if (leaf.uri_sans().size() != 1) {
    return absl::InvalidArgumentError(
        "the certificate must have exactly one URI SAN, the workload's SPIFFE ID");
  }
  auto identity = std::make_shared<Identity>();
  identity->spiffe_id = leaf.uri_sans().front();
  identity->not_before = leaf.not_before();
  identity->not_after = leaf.not_after();
  identity->tls =
      std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{*std::move(chain), *std::move(key)});
  identity->trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
  identity->key_pem = std::move(key_pem);
  identity->chain_pem = std::move(chain_pem);
  identity->roots_pem = std::move(roots_pem);
  return identity;
}

absl::StatusOr<std::shared_ptr<const Identity>> IdentityFile::Load() const {
  absl::StatusOr<std::string> text = ReadStateFile(path_);
  if (!text.ok()) return text.status();
  std::string_view rest = *text;
  const std::string_view key = TakeSection(&rest);
  const std::string_view chain = TakeSection(&rest);
  auto identity = MakeIdentity(std::string(key), std::string(chain), std::string(rest));
  if (identity.ok()) return identity;
  return absl::DataLossError(absl::StrCat(path_, ": ", std::string(identity.status().message()),
                                          "; remove the file and start with a new join token"));
}

absl::Status IdentityFile::Save(const Identity& identity) const {
  return WriteStateFile(
      path_,
      absl::StrCat(identity.key_pem, absl::string_view(kSectionEnd.data(), kSectionEnd.size()),
                   identity.chain_pem, absl::string_view(kSectionEnd.data(), kSectionEnd.size()),
                   identity.roots_pem));
}

}  // namespace tulle::identity
