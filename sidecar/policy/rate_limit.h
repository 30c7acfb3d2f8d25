#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/match/header_match.h"
#include "sidecar/policy/rule.h"
#include "sidecar/policy/token_bucket.h"

namespace tulle::policy {

// One entry of a request's descriptor.
struct DescriptorEntry {
  std::string_view key;
  std::string_view value;
};

// How an entry is built. Source: envoy.config.route.v3.RateLimit.Action; kPeerIdentity is the
// extension envoy.rate_limit_descriptors.expr with `connection.uri_san_peer_certificate`.
struct DescriptorAction {
  enum class Kind : uint8_t {
    kGenericKey,
    kRequestHeader,
    kRemoteAddress,
    kDestinationCluster,
    kHeaderValueMatch,
    kPeerIdentity,
  };
  Kind kind = Kind::kGenericKey;
  std::string key;
  std::string value;  // the generic or matched value; the header's name
  bool skip_if_absent = false;
  bool expect_match = true;
  std::vector<match::HeaderSpec> headers;
};

struct DescriptorRule {
  uint32_t stage = 0;
  std::vector<DescriptorAction> actions;
};

// Rules that build descriptors, compiled. Immutable.
class LimitDescriptors {
 public:
  static constexpr size_t kMaxEntries = 8;
  // Fails on too many rules or entries, or on an invalid header match.
  static absl::StatusOr<std::shared_ptr<const LimitDescriptors>> Compile(
      std::vector<DescriptorRule> rules);

  size_t size() const { return rules_.size(); }
  uint32_t stage(size_t rule) const { return rules_[rule].stage; }
  // The entries that a rule builds from a request, views into both; empty: none.
  struct Storage {
    DescriptorEntry entries[kMaxEntries];
    char address[64];
  };
  std::span<const DescriptorEntry> Make(size_t rule, const Subject& subject,
                                        std::string_view cluster, Storage& storage) const;

 private:
  struct Action {
    DescriptorAction spec;
    std::vector<match::HeaderMatch> headers;
  };
  struct Rule {
    uint32_t stage = 0;
    std::vector<Action> actions;
  };
  static std::optional<std::string_view> ValueOf(const Action& action, const Subject& subject,
                                                 std::string_view cluster, Storage& storage);

  std::vector<Rule> rules_;
};

// A descriptor with its own bucket; with an empty value: one bucket for each value.
struct DescriptorLimit {
  std::vector<std::pair<std::string, std::string>> entries;
  BucketSpec bucket;
  bool shadow = false;  // counted, never refused
};

// envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.
struct RateLimitSpec {
  std::optional<BucketSpec> bucket;
  std::vector<DescriptorLimit> descriptors;
  uint32_t stage = 0;
  uint32_t enabled_per_million = 0;
  uint32_t enforced_per_million = 0;
  bool always_takes_default = true;
  int status = 429;
  bool resource_exhausted = false;  // gRPC's code, in place of UNAVAILABLE
  bool tells_numbers = false;       // X-RateLimit-*
  bool tells_retry_after = false;
  uint32_t most_keys = 20;  // of descriptors with an empty value
  std::vector<std::pair<std::string, std::string>> response_headers;    // of the 429 response
  std::vector<std::pair<std::string, std::string>> unenforced_headers;  // of the request
  std::shared_ptr<const LimitDescriptors> rules;                        // in place of the route's
};

// A local rate limit with its buckets, shared by all workers. Any thread.
class LocalRateLimit {
 public:
  // Of the bucket with the fewest tokens left.
  struct Verdict {
    bool limited = false;
    bool enforced = false;
    bool counted = false;  // at least one bucket was checked
    uint32_t limit = 0;
    uint32_t remaining = 0;
    Nanoseconds reset{0};        // until the bucket is full
    Nanoseconds retry_after{0};  // until it has a token
  };

  explicit LocalRateLimit(RateLimitSpec spec);
  const RateLimitSpec& spec() const { return spec_; }
  Verdict Take(const Subject& subject, const LimitDescriptors* of_route, std::string_view cluster,
               Nanoseconds now, uint64_t random);

 private:
  struct Limited {
    BucketRate rate;
    BucketWord word{0};
    std::unique_ptr<KeyedBuckets> keyed;  // null: one bucket
  };

  // Null: no descriptor matches.
  BucketWord* BucketOf(std::span<const DescriptorEntry> entries, size_t* limit);
  static void Add(const BucketRate& rate, const BucketRate::Grant& grant, Verdict* verdict);

  RateLimitSpec spec_;
  BucketRate rate_;
  BucketWord word_{0};
  std::vector<Limited> limits_;
};

}  // namespace tulle::policy
