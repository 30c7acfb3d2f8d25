// Callers of the REST API with tokens of service accounts.
#include "control-plane/server/reviewed_tokens.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "net/loop/sim/simulation.h"
#include "telemetry/log.h"

namespace tulle::server {
namespace {

using kubernetes::ServiceAccount;

class ReviewedTokensTest : public ::testing::Test {
 protected:
  // As a caller: asks if that is necessary, and reads the answer.
  absl::StatusOr<api::Principal> Call(const std::string& name, const std::string& claims) {
    const std::string token = TokenOf(name, claims);
    if (auto known = tokens_.Find(token)) return *std::move(known);
    tokens_.Ask("10.0.0.2", token, [] {});
    Answer();
    return *tokens_.Find(token);
  }
  absl::StatusOr<api::Principal> Call(const std::string& name) { return Call(name, Expiring(600)); }
  // A JSON Web Token as far as it is read.
  static std::string TokenOf(const std::string& name, const std::string& claims) {
    return absl::StrCat("header.", absl::WebSafeBase64Escape(claims), ".", name);
  }
  std::string Expiring(int64_t seconds) const {
    const auto now = loop_->WallNow().time_since_epoch();
    const auto expiry = std::chrono::duration_cast<std::chrono::seconds>(now).count() + seconds;
    return absl::StrCat("{\"sub\":\"x\",\"exp\":", expiry, "}");
  }
  // The reviews that are under way.
  void Answer() {
    for (auto& [token, done] : std::exchange(reviews_, {})) {
      ++asked_;
      const auto found = accounts_.find(token.substr(token.rfind('.') + 1));
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
  ReviewedTokens tokens_{
      *loop_, log_,
      [this](const std::string&, std::string_view token, kubernetes::TokenReviews::Done done) {
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
  const std::string claims = Expiring(600);
  ASSERT_TRUE(Call("reader", claims).ok());
  ASSERT_FALSE(Call("none", claims).ok());
  Wait(std::chrono::seconds(29));
  EXPECT_TRUE(Call("reader", claims).ok());
  EXPECT_FALSE(Call("none", claims).ok());
  EXPECT_EQ(asked_, 2);
  accounts_.erase("reader");
  Wait(std::chrono::seconds(2));
  EXPECT_FALSE(Call("reader", claims).ok()) << "the account was deleted";
}

TEST_F(ReviewedTokensTest, CallsThatComeTogetherCostOneReview) {
  int told = 0;
  tokens_.Ask("10.0.0.2", "reader", [&] { ++told; });
  tokens_.Ask("10.0.0.2", "reader", [&] { ++told; });
  EXPECT_EQ(told, 0);
  Answer();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(asked_, 1);
}

TEST_F(ReviewedTokensTest, StrangersCauseFewReviewsAndLittleMemory) {
  int told = 0;
  const auto ask = [&](int source, int number) {
    tokens_.Ask(absl::StrCat("10.0.1.", source), absl::StrCat("stranger-", source, "-", number),
                [&] { ++told; });
  };
  for (int i = 0; i < 10; ++i) ask(1, i);
  EXPECT_EQ(reviews_.size(), 3) << "one source leaves room for others";
  EXPECT_EQ(told, 7);
  for (int source = 2; source < 12; ++source) ask(source, 0);
  EXPECT_EQ(reviews_.size(), 8);
  EXPECT_EQ(told, 12);
  EXPECT_EQ((*tokens_.Find("stranger-11-0")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(tokens_.counts().unavailable, 12);
  Answer();
  EXPECT_FALSE(Call(std::string(9000, 'x')).ok());
  EXPECT_EQ(asked_, 8) << "what is too large for a token is not sent on";
  const std::string claims = Expiring(600);
  ASSERT_TRUE(Call("reader", claims).ok());
  Wait(std::chrono::seconds(1));
  for (int i = 0; i < 300; ++i) Call(absl::StrCat("more-", i), claims).IgnoreError();
  EXPECT_FALSE(tokens_.Find(TokenOf("reader", claims)).has_value())
      << "the oldest answers go first";
  EXPECT_TRUE(tokens_.Find(TokenOf("more-299", claims)).has_value());
}

TEST_F(ReviewedTokensTest, TokensEndWithinAnHour) {
  EXPECT_TRUE(Call("reader", Expiring(3600)).ok());
  for (const std::string& claims :
       {Expiring(2 * 3600), std::string("{}"), std::string("[]"), std::string("no JSON"),
        std::string(R"({"exp":"soon"})"), std::string(R"({"exp":-1})"),
        std::string(R"({"exp":18446744073709551615})")}) {
    const auto caller = Call("reader", claims);
    EXPECT_EQ(caller.status().code(), absl::StatusCode::kUnauthenticated) << claims;
    EXPECT_NE(caller.status().message().find("--duration=1h"), std::string::npos);
  }
  EXPECT_EQ(tokens_.counts().refused, 7);
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
