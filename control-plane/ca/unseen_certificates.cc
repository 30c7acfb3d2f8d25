#include "control-plane/ca/unseen_certificates.h"

#include <algorithm>
#include <iterator>

namespace tulle::ca {
namespace {

using Certificate = UnseenCertificates::Certificate;

constexpr int64_t kRetrySeconds = 600;

bool IsVoidBeside(const Certificate& other, const Certificate& shown) {
  if (other.renews != shown.renews) return false;
  if (!shown.renews.empty()) return true;
  return other.joiner == shown.joiner && other.issued_at <= shown.issued_at &&
         shown.issued_at - other.issued_at <= kRetrySeconds;
}

}  // namespace

template <typename Predicate>
void UnseenCertificates::EraseIf(Predicate predicate) {
  for (auto entry = certificates_.begin(); entry != certificates_.end();) {
    const bool is_gone = predicate(entry->first, entry->second);
    if (is_gone) changed_.insert(entry->first);
    entry = is_gone ? certificates_.erase(entry) : std::next(entry);
  }
}

int64_t UnseenCertificates::Add(const std::string& sha256, Certificate certificate) {
  int64_t left_out = 0;
  if (certificates_.size() >= kMost) {
    const auto first = std::min_element(
        certificates_.begin(), certificates_.end(),
        [](const auto& a, const auto& b) { return a.second.not_after < b.second.not_after; });
    left_out = first->second.not_after;
    changed_.insert(first->first);
    certificates_.erase(first);
  }
  changed_.insert(sha256);
  certificates_.insert_or_assign(sha256, std::move(certificate));
  return left_out;
}

// A sidecar that presents a certificate has also had the one with which it requested it.
void UnseenCertificates::OnShown(const std::string& sha256) {
  std::string next = sha256;
  for (auto found = certificates_.find(next); found != certificates_.end();
       found = certificates_.find(next)) {
    const Certificate shown = std::move(found->second);
    certificates_.erase(found);
    changed_.insert(next);
    EraseIf([&](const std::string&, const Certificate& each) { return IsVoidBeside(each, shown); });
    next = shown.renews;
  }
}

void UnseenCertificates::BeginPhase() {
  for (auto& [sha256, certificate] : certificates_) certificate.is_former = true;
}

void UnseenCertificates::Forget(const std::string& identity) {
  EraseIf([&](const std::string&, const Certificate& each) {
    return each.joiner.starts_with(identity + " ");
  });
}

void UnseenCertificates::Advance(int64_t now) {
  EraseIf([now](const std::string&, const Certificate& each) { return each.not_after <= now; });
}

int64_t UnseenCertificates::former_end() const {
  int64_t end = 0;
  for (const auto& [sha256, certificate] : certificates_) {
    if (certificate.is_former) end = std::max(end, certificate.not_after);
  }
  return end;
}

const Certificate* UnseenCertificates::Find(const std::string& sha256) const {
  const auto found = certificates_.find(sha256);
  return found == certificates_.end() ? nullptr : &found->second;
}

}  // namespace tulle::ca
