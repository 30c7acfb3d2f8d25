// Callers of the REST API with tokens of service accounts.
#include "control-plane/server/reviewed_tokens.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/loop/sim/simulation.h"
#include "telemetry/log.h"

namespace tulle::server {
namespace {

using kubernetes::ServiceAccount;

class ReviewedTokensTest : public ::testing::Test {
 protected:
  // As a caller: asks if that is necessary, and reads the answer.
  absl::StatusOr<api::Principal> Call(const std::string& token) {
    if (auto known = tokens_.Find(token)) return *std::move(known);
    tokens_.Ask(token, [] {});
    Answer();
    return *tokens_.Find(token);
  }
  // The reviews that are under way.
  void Answer() {
    for (auto& [token, done] : std::exchange(reviews_, {})) {
      ++asked_;
      const auto found = accounts_.find(token);
      done(found == accounts_.end()
               ? absl::StatusOr<ServiceAccount>(absl::UnauthenticatedError("unknown token"))
               : found->second);
    }
  }
  void Wait(loop::Duration time) { simulation_.RunFor(time); }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::map<std::string, absl::StatusOr<ServiceAccount>> accounts_ = {
      {"reader", ServiceAccount{"tulle-system", "tulle-viewer"}},
      {"writer", ServiceAccount{"tulle-system", "tulle-admin"}},
      {"elsewhere", ServiceAccount{"shop", "tulle-admin"}},
      {"pod", ServiceAccount{"tulle-system", "tulle-control"}}};
  std::vector<std::pair<std::string, kubernetes::TokenReviews::Done>> reviews_;
  int asked_ = 0;
  ReviewedTokens tokens_{*loop_, log_,
                         [this](std::string_view token, kubernetes::TokenReviews::Done done) {
                           reviews_.emplace_back(token, std::move(done));
                         }};
};

TEST_F(ReviewedTokensTest, TheAccountSaysTheRole) {
  EXPECT_EQ(Call("reader")->role, api::Role::kReader);
  EXPECT_EQ(Call("writer")->role, api::Role::kAdmin);
  EXPECT_EQ(Call("elsewhere").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Call("pod").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Call("none").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(tokens_.counts().accepted, 2);
  EXPECT_EQ(tokens_.counts().refused, 3);
}

TEST_F(ReviewedTokensTest, AnAnswerIsKeptForHalfAMinute) {
  ASSERT_TRUE(Call("reader").ok());
  ASSERT_FALSE(Call("none").ok());
  Wait(std::chrono::seconds(29));
  EXPECT_TRUE(Call("reader").ok());
  EXPECT_FALSE(Call("none").ok());
  EXPECT_EQ(asked_, 2);
  accounts_.erase("reader");
  Wait(std::chrono::seconds(2));
  EXPECT_FALSE(Call("reader").ok()) << "the account was deleted";
}

TEST_F(ReviewedTokensTest, CallsThatComeTogetherCostOneReview) {
  int told = 0;
  tokens_.Ask("reader", [&] { ++told; });
  tokens_.Ask("reader", [&] { ++told; });
  EXPECT_EQ(told, 0);
  Answer();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(asked_, 1);
}

TEST_F(ReviewedTokensTest, StrangersCauseFewReviewsAndLittleMemory) {
  int told = 0;
  for (int i = 0; i < 10; ++i) tokens_.Ask(absl::StrCat("stranger-", i), [&] { ++told; });
  EXPECT_EQ(reviews_.size(), 8);
  EXPECT_EQ(told, 2);
  EXPECT_EQ((*tokens_.Find("stranger-9")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(tokens_.counts().unavailable, 2);
  Answer();
  EXPECT_FALSE(Call(std::string(9000, 'x')).ok());
  EXPECT_EQ(asked_, 8) << "what is too large for a token is not sent on";
  ASSERT_TRUE(Call("reader").ok());
  Wait(std::chrono::seconds(1));
  for (int i = 0; i < 300; ++i) Call(absl::StrCat("more-", i)).IgnoreError();
  EXPECT_FALSE(tokens_.Find("reader").has_value()) << "the oldest answers go first";
  EXPECT_TRUE(tokens_.Find("more-299").has_value());
}

TEST_F(ReviewedTokensTest, AnApiServerThatIsAwayIsAskedAgain) {
  accounts_["reader"] = absl::UnavailableError("not connected");
  EXPECT_EQ(Call("reader").status().code(), absl::StatusCode::kUnavailable);
  accounts_["reader"] = ServiceAccount{"tulle-system", "tulle-viewer"};
  Wait(std::chrono::seconds(2));
  EXPECT_TRUE(Call("reader").ok());
}

}  // namespace
}  // namespace tulle::server
