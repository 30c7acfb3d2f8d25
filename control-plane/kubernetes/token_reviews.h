// Asks the API server whose service account's token this is (TokenReview), for one audience. At
// most 64 reviews are under way, shared by source addresses (review_shares.h); nothing is cached,
// so that the token of a deleted pod is refused at once.
//
// Owner: KubernetesLink. Thread: the loop's. Errors: kUnauthenticated: the token is not valid;
// kUnavailable: ask again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "control-plane/kubernetes/review_shares.h"
#include "k8s/api/client.h"
#include "net/loop/loop.h"

namespace tulle::kubernetes {

inline constexpr char kAudience[] = "tulle";             // of pods
inline constexpr char kApiAudience[] = "tulle-control";  // of callers of the REST API

struct ServiceAccount {
  std::string ns;
  std::string name;
  std::string pod_uid = {};  // to which the token is bound; empty: to none
  // Of the token, for the API server's audit log; empty: the server is older than 1.30.
  std::string credential_id = {};
};

// `json`: the API server's answer to a TokenReview.
absl::StatusOr<ServiceAccount> ReadReview(std::string_view json, std::string_view audience);

class TokenReviews {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<ServiceAccount>)>;

  TokenReviews(loop::Loop& loop, k8s::Client& client, std::string audience)
      : loop_(loop), client_(client), audience_(std::move(audience)) {}

  // `source`: who sent the token (server::SourceOf). `done` runs later, unless this is destroyed
  // before.
  void Review(const std::string& source, std::string_view token, Done done);
  bool HasRoom(const std::string& source) const { return shares_.HasRoom(source); }

 private:
  static constexpr size_t kMostCalls = 64;

  loop::Loop& loop_;
  k8s::Client& client_;
  const std::string audience_;
  ReviewShares shares_{kMostCalls};
  std::map<uint64_t, std::unique_ptr<k8s::Call>> calls_;
  uint64_t last_ = 0;
};

}  // namespace tulle::kubernetes
