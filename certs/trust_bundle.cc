// Keeps roots by trust domain and builds the stores that path validation reads.
#include "certs/trust_bundle.h"

#include <openssl/x509.h>

#include <algorithm>

#include "certs/spiffe_id.h"

namespace tulle::certs {
namespace {

std::shared_ptr<const RootSet> MakeRootSet(std::vector<Certificate> roots) {
  auto set = std::make_shared<RootSet>();
  set->store = std::shared_ptr<X509_STORE>(X509_STORE_new(), X509_STORE_free);
  for (Certificate& root : roots) {
    const bool known =
        std::any_of(set->certificates.begin(), set->certificates.end(),
                    [&](const Certificate& other) { return other.sha256() == root.sha256(); });
    if (known) continue;
    X509_STORE_add_cert(set->store.get(), root.native());
    set->certificates.push_back(std::move(root));
  }
  return set;
}

void AppendHashes(const RootSet& set, std::string* out) {
  std::vector<std::string> hashes;
  for (const Certificate& root : set.certificates) hashes.push_back(root.sha256());
  std::sort(hashes.begin(), hashes.end());
  for (const std::string& hash : hashes) out->append(hash).append("\n");
}

bool Covers(const RootSet& wide, const RootSet& narrow) {
  return std::all_of(
      narrow.certificates.begin(), narrow.certificates.end(), [&](const Certificate& root) {
        return std::any_of(wide.certificates.begin(), wide.certificates.end(),
                           [&](const Certificate& one) { return one.sha256() == root.sha256(); });
      });
}

}  // namespace

TrustBundle TrustBundle::OfAnyDomain(std::vector<Certificate> roots) {
  TrustBundle bundle;
  bundle.any_ = MakeRootSet(std::move(roots));
  return bundle;
}

TrustBundle TrustBundle::OfDomain(std::string_view trust_domain, std::vector<Certificate> roots) {
  TrustBundle bundle;
  bundle.domains_.emplace(trust_domain, MakeRootSet(std::move(roots)));
  return bundle;
}

absl::StatusOr<TrustBundle> TrustBundle::AnyDomainFromPem(std::string_view pem) {
  auto roots = ParsePemCertificates(pem);
  if (!roots.ok()) return roots.status();
  return OfAnyDomain(*std::move(roots));
}

absl::StatusOr<TrustBundle> TrustBundle::FromPem(std::string_view trust_domain,
                                                 std::string_view pem) {
  auto roots = ParsePemCertificates(pem);
  if (!roots.ok()) return roots.status();
  TrustBundle bundle;
  if (auto added = bundle.Add(trust_domain, *std::move(roots)); !added.ok()) return added;
  return bundle;
}

absl::Status TrustBundle::Add(std::string_view trust_domain, std::vector<Certificate> roots) {
  if (!SpiffeId::IsTrustDomain(trust_domain)) {
    return absl::InvalidArgumentError("'" + std::string(trust_domain) +
                                      "' is not the name of a trust domain; use a-z 0-9 . - _");
  }
  auto& entry = domains_[std::string(trust_domain)];
  std::vector<Certificate> all;
  if (entry != nullptr) all = entry->certificates;
  all.insert(all.end(), roots.begin(), roots.end());
  entry = MakeRootSet(std::move(all));
  return absl::OkStatus();
}

absl::Status TrustBundle::AddRevocations(std::string_view pem) {
  std::vector<Certificate> roots;
  if (any_ != nullptr) roots = any_->certificates;
  for (const auto& [name, set] : domains_) {
    roots.insert(roots.end(), set->certificates.begin(), set->certificates.end());
  }
  return revocations_.Add(pem, roots);
}

const RootSet* TrustBundle::RootsFor(std::string_view trust_domain) const {
  const auto found = domains_.find(trust_domain);
  return found != domains_.end() ? found->second.get() : any_.get();
}

const RootSet* TrustBundle::RootsForUnnamed() const {
  if (any_ != nullptr) return any_.get();
  return domains_.size() == 1 ? domains_.begin()->second.get() : nullptr;
}

// A new domain may take away the roots used for peers without a SPIFFE ID, or those of any domain:
// then the result is unknown.
bool TrustBundle::Covers(const TrustBundle& other) const {
  if ((any_ == nullptr) != (other.any_ == nullptr)) return false;
  if (!revocations_.IsSubsetOf(other.revocations_)) return false;
  if (any_ != nullptr && !certs::Covers(*any_, *other.any_)) return false;
  return std::equal(domains_.begin(), domains_.end(), other.domains_.begin(), other.domains_.end(),
                    [](const auto& ours, const auto& theirs) {
                      return ours.first == theirs.first &&
                             certs::Covers(*ours.second, *theirs.second);
                    });
}

std::vector<std::string> TrustBundle::trust_domains() const {
  std::vector<std::string> names;
  for (const auto& [name, roots] : domains_) names.push_back(name);
  return names;
}

std::string TrustBundle::ToPem() const {
  std::string pem;
  if (any_ != nullptr) pem += certs::ToPem(any_->certificates);
  for (const auto& [name, roots] : domains_) pem += certs::ToPem(roots->certificates);
  return pem;
}

std::string TrustBundle::ContentHash() const {
  std::string text;
  if (any_ != nullptr) {
    text += "any\n";
    AppendHashes(*any_, &text);
  }
  for (const auto& [name, roots] : domains_) {
    text.append("spiffe://").append(name).append("\n");
    AppendHashes(*roots, &text);
  }
  if (!revocations_.empty()) text.append("revoked\n").append(revocations_.ContentHash());
  return HexSha256(text);
}

}  // namespace tulle::certs
