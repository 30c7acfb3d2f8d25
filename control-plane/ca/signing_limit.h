// How often one holder (a pod, or an identity) may have a certificate signed, so that a stolen
// token or a misbehaving program can neither fill the log nor take the authority's time from the
// others. A bucket for each holder. Owner and thread: MeshAuthority's. Times in seconds, passed in;
// a clock that goes back refills nothing. Memory: full buckets are forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tulle::ca {

class SigningLimit {
 public:
  struct Rate {
    int64_t at_once;
    int64_t per_second;
  };
  explicit SigningLimit(const Rate& rate) : rate_(rate) {}

  // Whether `holder` may have one more.
  bool Take(const std::string& holder, int64_t now);
  size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    int64_t left = 0;
    int64_t filled_at = 0;
  };

  void Fill(Bucket* bucket, int64_t now) const;

  const Rate rate_;
  std::map<std::string, Bucket> buckets_;
  int64_t swept_at_ = 0;
};

}  // namespace tulle::ca
