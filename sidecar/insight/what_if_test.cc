#include "sidecar/insight/what_if.h"

#include <gtest/gtest.h>

#include "sidecar/proxy/failures.h"

namespace tulle::sidecar {
namespace {

void AddHeader(const std::string& name, const std::string& value, insight::v1::WhatIf* question) {
  insight::v1::Header& header = *question->add_headers();
  header.set_name(name);
  header.set_value(value);
}

insight::v1::WhatIf Question() {
  insight::v1::WhatIf question;
  question.set_outbound(true);
  question.set_method("GET");
  question.set_authority("cart.shop:8080");
  question.set_path("/items?id=1");
  return question;
}

TEST(WhatIf, ReadsARequest) {
  insight::v1::WhatIf question = Question();
  AddHeader("X-B", "two words", &question);
  AddHeader("x-a", "1", &question);
  AddHeader("x-a", "2", &question);
  question.set_destination("240.0.0.7:8080");
  const auto request = RequestOf(question);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->direction, config::Direction::kOutbound);
  EXPECT_EQ(request->path, "/items?id=1");
  EXPECT_EQ(request->destination.ToString(), "240.0.0.7:8080");
  EXPECT_FALSE(request->source.is_set());
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"x-b", "two words"}, {"x-a", "1"}, {"x-a", "2"}};
  EXPECT_EQ(request->headers, headers);
}

TEST(WhatIf, AnInboundRequestHasTheCallersIdentityAndThePort) {
  insight::v1::WhatIf question = Question();
  question.set_outbound(false);
  question.set_port(8080);
  question.set_source("spiffe://cluster.local/ns/shop/sa/web");
  question.set_source_address("10.0.0.5");
  const auto request = RequestOf(question);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->direction, config::Direction::kInbound);
  EXPECT_EQ(request->destination.port(), 8080);
  EXPECT_EQ(request->source.host(), "10.0.0.5");
  EXPECT_EQ(request->source_id, "spiffe://cluster.local/ns/shop/sa/web");
}

TEST(WhatIf, RefusesWhatNoClientCanSend) {
  const auto refused = [](auto change) {
    insight::v1::WhatIf question = Question();
    change(question);
    return RequestOf(question).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& q) { q.set_method("GET /"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_method(""); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_method("CONNECT"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_authority(""); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_authority("a b"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_authority(std::string(300, 'a')); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_path("items"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_path("/a b"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_path("/" + std::string(9000, 'a')); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_port(70000); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_destination("cart:80"); }));
  EXPECT_TRUE(refused([](auto& q) { q.set_source_address("cart"); }));
  EXPECT_TRUE(refused([](auto& q) { AddHeader("a:b", "1", &q); }));
  EXPECT_TRUE(refused([](auto& q) { AddHeader("a", "1\r\nb: 2", &q); }));
  EXPECT_TRUE(refused([](auto& q) {
    for (int i = 0; i < 51; ++i) AddHeader("x-a", "1", &q);
  }));
}

TEST(WhatIf, TellsWhatEndsTheRequestAndWhatWasDecided) {
  insight::v1::WhatIf question = Question();
  const auto request = RequestOf(question);
  ASSERT_TRUE(request.ok());
  proxy::RehearsalOutcome outcome;
  outcome.status = 403;
  outcome.failure = {proxy::failures::kDenied};
  outcome.policy = "shop/no-items";
  outcome.decisions = {
      {proxy::DecisionKind::kRateLimit, true, "limit", "a rate limit applies here"},
      {proxy::DecisionKind::kAuthorization, false, "shop/no-items", "matched"}};
  const insight::v1::RequestRecord record = RecordOf(*request, outcome);
  EXPECT_TRUE(record.outbound());
  EXPECT_EQ(record.status(), 403u);
  EXPECT_EQ(record.cause(), proxy::failures::kDenied.facts().cause);
  EXPECT_EQ(record.path(), "/items") << "queries carry secrets";
  EXPECT_EQ(record.policy(), "shop/no-items");
  ASSERT_EQ(record.decisions_size(), 2);
  EXPECT_EQ(record.decisions(0).kind(), "rate limit");
  EXPECT_FALSE(record.decisions(1).positive());
}

TEST(WhatIf, AConnectionThatIsClosedHasNoAnswer) {
  const auto request = RequestOf(Question());
  ASSERT_TRUE(request.ok());
  proxy::RehearsalOutcome outcome;
  outcome.failure = {proxy::failures::kDenied};
  outcome.is_connection_closed = true;
  const insight::v1::RequestRecord record = RecordOf(*request, outcome);
  EXPECT_EQ(record.status(), 0u);
  EXPECT_EQ(record.response_flags(), "");
  EXPECT_EQ(record.detail(), "the connection is closed without an answer");
}

}  // namespace
}  // namespace tulle::sidecar
