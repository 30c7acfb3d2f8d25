// Who calls the REST API with the token of a service account: the API server reviews each token
// (TokenReview, audience `tulle-control`), and the account says the role. `tulle-viewer` of the
// installation's namespace reads, `tulle-admin` may change the mesh; other accounts are refused. So
// are tokens that are valid for more than an hour from now or for ever: one that leaks must end
// soon.
//
// An answer is kept for 30 s, without the token itself, so that the calls of one command cost one
// review; at most 256 answers are kept. At most 8 reviews are under way, shared by source addresses
// (kubernetes::ReviewShares): callers beyond that are told to try again. Owner: ControlServer.
// Thread: the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/api/account_tokens.h"
#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/kubernetes/token_reviews.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class ReviewedTokens final : public api::AccountTokens {
 public:
  struct Counts {
    uint64_t accepted = 0;
    uint64_t refused = 0;
    uint64_t unavailable = 0;  // the API server did not answer, or too many were under way
  };
  using Review = std::function<void(const std::string& source, std::string_view token,
                                    kubernetes::TokenReviews::Done done)>;

  // References outlive this. `review` answers later, and not after this is destroyed.
  ReviewedTokens(loop::Loop& loop, telemetry::Log& log, Review review);

  std::optional<absl::StatusOr<api::Principal>> Find(std::string_view token) override;
  void Ask(const std::string& source, std::string_view token, std::function<void()> done) override;
  const Counts& counts() const { return counts_; }

 private:
  using Hash = std::array<uint8_t, 32>;
  struct Known {
    absl::StatusOr<api::Principal> caller;
    loop::Instant until;
  };

  // Of a token whose account is known. kUnauthenticated: it is valid for too long.
  absl::Status CheckLifetime(std::optional<int64_t> expiry) const;
  void Learn(const Hash& hash, absl::StatusOr<kubernetes::ServiceAccount> account);
  void Keep(const Hash& hash, absl::StatusOr<api::Principal> caller, loop::Duration time);

  loop::Loop& loop_;
  telemetry::Log& log_;
  const Review review_;
  kubernetes::ProblemLog problems_;
  kubernetes::ReviewShares shares_;
  std::map<Hash, Known> known_;
  std::map<Hash, std::vector<std::function<void()>>> asked_;
  Counts counts_;
};

}  // namespace tulle::server
