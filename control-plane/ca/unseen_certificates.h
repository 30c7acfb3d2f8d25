// Certificates of sidecars that no proxy has shown yet: of those that are joining or renewing, and
// of those that were never heard of again. A rotation of the root waits until they are shown, or
// until they end.
//
// Some are given up earlier: a sidecar whose answer was lost asks again, and then nobody holds the
// first one. Who renews asks with the certificate that it has, so what else was issued on that is
// void once one of them is shown. Who joins has nothing to be told by but identity and address:
// what was issued to those within ten minutes before counts as lost. A pure book. Owner and thread:
// RootRotation's. Times in seconds, passed in.
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
    std::string joiner = {};  // identity and address
    bool is_former = false;   // issued before the rotation's phase

    bool operator==(const Certificate&) const = default;
  };

  // The end of one that had to be left out to make room; 0: none had to.
  int64_t Add(const std::string& sha256, Certificate certificate);
  // A proxy has this one: from now on it is waited for under the proxy's name.
  void OnShown(const std::string& sha256);
  // All that are here now are of before the phase that begins.
  void BeginPhase();
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
