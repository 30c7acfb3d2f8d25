// How often one identity may have a certificate signed, so that a stolen token or a
// misbehaving program can neither fill the log nor take the authority's time from the others.
//
// A bucket for each identity: the replicas of a service share one, so that it holds enough for all
// of them to start at once. Owner and thread: MeshAuthority's. Times in seconds, passed in; a clock
// that goes back refills nothing. Memory: full buckets are forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tulle::ca {

class SigningLimit {
 public:
  static constexpr int64_t kAtOnce = 300;
  static constexpr int64_t kPerSecond = 5;

  // Whether `identity` may have one more.
  bool Take(const std::string& identity, int64_t now);
  size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    int64_t left = kAtOnce;
    int64_t filled_at = 0;
  };

  static void Fill(Bucket* bucket, int64_t now);

  std::map<std::string, Bucket> buckets_;
  int64_t swept_at_ = 0;
};

}  // namespace tulle::ca
