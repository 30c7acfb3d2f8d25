// Certificates of sidecars that no proxy has presented yet: the sidecar is still joining or
// renewing, or has never connected again. A root rotation waits until they are presented or
// expire.
//
// Some are given up earlier: a sidecar whose response was lost requests another certificate, and
// then no sidecar has the first one. A renewal is requested with the current certificate, so once
// one certificate issued for it is presented, the others are void. A joining sidecar is known only
// by its identity and address: certificates issued to the same ones in the ten minutes before count
// as lost. Pure. Owner and thread: RootRotation's. Times in seconds, passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace tulle::ca {

class UnseenCertificates {
 public:
  static constexpr size_t kMost = 10000;

  struct Certificate {
    int64_t not_after = 0;
    int64_t issued_at = 0;
    std::string renews = {};  // SHA-256 of the one that was presented; empty: a join token was
    std::string joiner = {};  // identity, a space, and the address
    bool is_former = false;   // issued before the rotation's phase

    bool operator==(const Certificate&) const = default;
  };

  // Returns the expiry of a certificate that was dropped to make room; 0: none was.
  int64_t Add(const std::string& sha256, Certificate certificate);
  // A proxy has this one: from now on it is waited for under the proxy's name.
  void OnShown(const std::string& sha256);
  // All that are here now are of before the phase that begins.
  void BeginPhase();
  // The identity's certificates are revoked.
  void Forget(const std::string& identity);
  // Those that have ended are forgotten.
  void Advance(int64_t now);

  // The latest end of those of before the phase; 0: there is none.
  int64_t former_end() const;
  const Certificate* Find(const std::string& sha256) const;
  size_t size() const { return certificates_.size(); }
  // Those that came or went since the last call, for whoever keeps them on disk.
  std::set<std::string> TakeChanged() { return std::exchange(changed_, {}); }
  void MarkChanged(const std::set<std::string>& again) {
    changed_.insert(again.begin(), again.end());
  }

 private:
  template <typename Predicate>
  void EraseIf(Predicate predicate);

  std::map<std::string, Certificate> certificates_;  // by SHA-256
  std::set<std::string> changed_;
};

}  // namespace tulle::ca
