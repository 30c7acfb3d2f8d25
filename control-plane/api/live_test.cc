// What the API asks sidecars.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "control-plane/api/api_fixture.h"

namespace tulle::api {
namespace {

using Json = nlohmann::json;

class LiveTest : public ApiFixture {
 protected:
  LiveTest() : ApiFixture("1.2.3") {
    admin_ = "Bearer " + *credentials_.Create({"ann", Role::kAdmin}, "test", kNow);
    reader_ = "Bearer " + *credentials_.Create({"rob", Role::kReader}, "test", kNow);
  }
  ApiResponse Call(const std::string& method, const std::string& path,
                   std::map<std::string, std::string> query = {}, const std::string& body = "",
                   const std::string& who = "") {
    event_.clear();
    ApiResponse response =
        api_.Handle({method, path, std::move(query), body, who.empty() ? admin_ : who}, kNow);
    response = Settled(std::move(response));
    event_ = response.event;
    return response;
  }
  static Json Body(const ApiResponse& response) { return Json::parse(response.WholeBody()); }
  static insight::v1::RequestRecord Record(const std::string& id, int64_t started) {
    insight::v1::RequestRecord record;
    record.set_request_id(id);
    record.set_started_micros(started);
    record.set_status(503);
    record.set_cause("overflow");
    record.set_service("cart.shop.svc.cluster.local");
    record.set_proxy("web");
    return record;
  }
  // What it is asked to find, and answers with these.
  void Knows(std::vector<insight::v1::RequestRecord> records) {
    sidecar_.on_message = [this, records](const insight::v1::ToSidecar& message) {
      insight::v1::Answer answer;
      answer.set_question(message.question().id());
      for (const auto& record : records) *answer.add_requests() = record;
      answer.set_is_last(true);
      sidecar_.Reply(answer);
    };
  }
  // What it answers with a text.
  void Says(const std::string& text, const std::string& error = "") {
    sidecar_.on_message = [this, text, error](const insight::v1::ToSidecar& message) {
      insight::v1::Answer answer;
      answer.set_question(message.question().id());
      answer.set_text(text);
      answer.set_error(error);
      answer.set_is_last(true);
      sidecar_.Reply(answer);
    };
  }

  std::string admin_;
  std::string reader_;
  std::string event_;
  insight::FakeSidecar sidecar_{respondents_, "post-1"};
};

TEST_F(LiveTest, RequestsAreThoseOfSidecarsAndOfTheBook) {
  Knows({Record("new", 2000), Record("both", 1500)});
  insight::v1::RequestRecord both = Record("both", 1500);
  both.add_decisions()->set_reason("why");
  failures_.Add(both, "web", kNow);
  failures_.Add(Record("gone", 1000), "web", kNow);
  const ApiResponse response =
      Call("GET", "/v1/requests", {{"service", "cart"}, {"status", "500-599"}}, "", reader_);
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Body(response);
  ASSERT_EQ(json["requests"].size(), 3) << json;
  EXPECT_EQ(json["requests"][0]["requestId"], "new");
  EXPECT_EQ(json["requests"][1]["requestId"], "both");
  EXPECT_EQ(json["requests"][1]["decisions"][0]["reason"], "why");
  EXPECT_EQ(json["requests"][2]["requestId"], "gone");
  EXPECT_EQ(json["asked"], 1);
  EXPECT_EQ(json["answered"], 1);
  EXPECT_EQ(json["leftOut"], 0);
  const auto& asked = sidecar_.received.back().question().find();
  EXPECT_EQ(asked.service(), "cart");
  ASSERT_EQ(asked.statuses_size(), 1);
  EXPECT_EQ(asked.statuses(0).lowest(), 500u);
  EXPECT_EQ(asked.statuses(0).highest(), 599u);
  EXPECT_EQ(asked.limit(), 100u);
  const Json one = Body(Call("GET", "/v1/requests", {{"limit", "1"}}));
  EXPECT_EQ(one["requests"].size(), 1);
  EXPECT_EQ(one["leftOut"], 2);
}

TEST_F(LiveTest, ASidecarThatIsSilentDelaysTheAnswerAndIsCounted) {
  const Json json = Body(Call("GET", "/v1/requests"));
  EXPECT_EQ(json["asked"], 1);
  EXPECT_EQ(json["answered"], 0);
}

TEST_F(LiveTest, InvalidFiltersAreRefused) {
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"status", "6xx"},
                                                        {"status", "5xx,"},
                                                        {"maxMs", "0"},
                                                        {"status", "599-500"},
                                                        {"status", "0"},
                                                        {"minMs", "-1"},
                                                        {"limit", "0"},
                                                        {"limit", "1001"},
                                                        {"failed", "yes"},
                                                        {"path", std::string(600, '/')},
                                                        {"unknown", "x"}}) {
    const ApiResponse response = Call("GET", "/v1/requests", {{name, text}});
    EXPECT_EQ(response.status, 400) << name << "=" << text;
    EXPECT_EQ(Body(response)["field"], name);
  }
  EXPECT_TRUE(sidecar_.received.empty());
  EXPECT_EQ(Call("GET", "/v1/requests", {}, "", "Bearer x").status, 401);
}

TEST_F(LiveTest, ARequestIsExplained) {
  insight::v1::RequestRecord record = Record("id-1", 1000);
  record.set_outbound(true);
  record.set_method("GET");
  record.set_authority("cart.shop");
  record.set_path("/items");
  record.set_source("spiffe://cluster.local/ns/shop/sa/web");
  Knows({record});
  const ApiResponse response = Call("GET", "/v1/requests/id-1/explanation", {}, "", reader_);
  ASSERT_EQ(response.status, 200) << response.body;
  const Json json = Body(response);
  EXPECT_EQ(json["title"], "GET cart.shop/items: 503 overflow");
  EXPECT_EQ(json["asked"], 1);
  EXPECT_EQ(json["hops"][0]["title"], "web.shop calls cart.shop");
  EXPECT_EQ(json["hops"][0]["cause"], "overflow") << "the record itself";
  EXPECT_EQ(json["hops"][0]["lines"][0], (Json{{"name", "sidecar"}, {"text", "web"}}));
  EXPECT_EQ(json["verdict"]["cause"], "overflow");
  EXPECT_EQ(json["verdict"]["hop"], 0);
  EXPECT_FALSE(json["verdict"]["nextStep"].get<std::string>().empty());
  const std::string result = json["result"];
  EXPECT_TRUE(result.starts_with("hop 1: the sidecar of web.shop answered 503, because")) << result;
  EXPECT_EQ(sidecar_.received.back().question().find().id(), "id-1");
}

TEST_F(LiveTest, WhatNobodyKnowsIsNotExplained) {
  Knows({});
  const ApiResponse unknown = Call("GET", "/v1/requests/id-2/explanation");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(Body(unknown)["error"], "no sidecar knows a request \"id-2\"");
  EXPECT_FALSE(Body(unknown)["hint"].get<std::string>().empty());
  sidecar_.received.clear();
  const std::string path = "/v1/requests/" + std::string(300, 'x') + "/explanation";
  EXPECT_EQ(Call("GET", path).status, 400);
  EXPECT_EQ(Call("GET", "/v1/requests/id-2/explanation", {}, "", "Bearer x").status, 401);
  EXPECT_TRUE(sidecar_.received.empty());
}

TEST_F(LiveTest, FailuresAreCounted) {
  failures_.Add(Record("1", kNow * 1'000'000), "web", kNow);
  failures_.AddLeftOut(3, "web", kNow);
  const Json json = Body(Call("GET", "/v1/failures", {{"window", "60"}}, "", reader_));
  ASSERT_EQ(json["groups"].size(), 1);
  EXPECT_EQ(json["groups"][0]["cause"], "overflow");
  EXPECT_EQ(json["groups"][0]["count"], 1);
  EXPECT_EQ(json["groups"][0]["lastUnixMicros"], kNow * 1'000'000);
  EXPECT_EQ(json["groups"][0]["example"]["requestId"], "1");
  EXPECT_EQ(json["leftOut"], 3);
  EXPECT_EQ(Call("GET", "/v1/failures", {{"window", "3601"}}).status, 400);
}

TEST_F(LiveTest, EventsAreListedTheNewestLast) {
  events_.Add({insight::Event::Type::kWarning,
               "ConfigurationRejected",
               {"Proxy", "shop", "web-1"},
               "bad",
               "spiffe://x/web"},
              kNow - 10);
  events_.Add({insight::Event::Type::kNormal, "RootRotated", {"Root", "", "x"}, "new"}, kNow);
  const Json json = Body(Call("GET", "/v1/events", {}, "", reader_));
  ASSERT_EQ(json["items"].size(), 2);
  const Json wanted = {{"type", "Warning"},
                       {"reason", "ConfigurationRejected"},
                       {"object", {{"kind", "Proxy"}, {"namespace", "shop"}, {"name", "web-1"}}},
                       {"message", "bad"},
                       {"actor", "spiffe://x/web"},
                       {"count", 1},
                       {"firstAt", kNow - 10},
                       {"lastAt", kNow - 10}};
  EXPECT_EQ(json["items"][0], wanted);
  EXPECT_EQ(Body(Call("GET", "/v1/events", {{"since", std::to_string(kNow)}}))["items"].size(), 1);
  EXPECT_EQ(Body(Call("GET", "/v1/events", {{"limit", "1"}}))["items"][0]["reason"], "RootRotated");
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"since", "-1"}, {"since", "x"}, {"limit", "0"}, {"limit", "1001"}, {"for", "x"}}) {
    const ApiResponse refused = Call("GET", "/v1/events", {{name, text}});
    EXPECT_EQ(refused.status, 400) << name << "=" << text;
    EXPECT_EQ(Body(refused)["field"], name);
  }
}

TEST_F(LiveTest, ChangesBecomeEventsWithoutSecrets) {
  const auto happened = [this](const std::string& method, const std::string& path,
                               const std::string& body, const std::string& secret = "") {
    const ApiResponse response = Settled(api_.Handle({method, path, {}, body, admin_}, kNow));
    const std::vector<insight::Event> events = response.happened;
    if (!secret.empty()) {
      const auto text = Body(response)[secret].get<std::string>();
      EXPECT_FALSE(text.empty());
      for (const insight::Event& event : events)
        EXPECT_EQ(event.message.find(text), std::string::npos);
    }
    EXPECT_LT(response.status, 300) << path << response.body;
    if (events.size() != 1) return insight::Event{};
    EXPECT_EQ(events[0].actor, "ann");
    return events[0];
  };
  const insight::Event created = happened("POST", "/v1/apply", kStrict);
  EXPECT_EQ(created.reason, "PolicyCreated");
  EXPECT_EQ(created.subject.kind, "PeerAuthentication");
  EXPECT_EQ(created.subject.name, "all");
  EXPECT_TRUE(created.message.starts_with("ann created it; revision ")) << created.message;
  EXPECT_EQ(happened("POST", "/v1/apply", kStrict).reason, "") << "nothing was changed";
  EXPECT_EQ(happened("DELETE", "/v1/policies/PeerAuthentication/default/all", "").reason,
            "PolicyDeleted");
  EXPECT_EQ(happened("POST", "/v1/rollback", "{}").reason, "PolicyCreated");
  const insight::Event token = happened("POST", "/v1/tokens", R"({"account":"web"})", "token");
  EXPECT_EQ(token.reason, "JoinTokenCreated");
  EXPECT_EQ(token.subject.kind, "Identity");
  EXPECT_EQ(token.subject.ns, "default");
  EXPECT_EQ(token.subject.name, "web");
  EXPECT_EQ(happened("POST", "/v1/credentials", R"({"name":"bob"})", "credential").reason,
            "CredentialCreated");
  EXPECT_EQ(happened("DELETE", "/v1/credentials/bob", "").reason, "CredentialDeleted");
  EXPECT_EQ(happened("POST", "/v1/certs/rotate", "").reason, "RootRotationRequested");
  const insight::Event tap = happened("POST", "/v1/taps", R"({"service":"cart"})");
  EXPECT_EQ(tap.reason, "TapOpened");
  EXPECT_EQ(tap.message, "ann watches requests: service=\"cart\"");
  Says("debug");
  const insight::Event level =
      happened("PUT", "/v1/proxies/post-1/log-level", R"({"level":"debug","seconds":60})");
  EXPECT_EQ(level.reason, "LogLevelChanged");
  EXPECT_EQ(level.subject.name, "post-1");
  EXPECT_EQ(level.message, "ann set the log level to debug for 60 s");
}

TEST_F(LiveTest, ATapIsReadAndEnded) {
  const ApiResponse opened =
      Call("POST", "/v1/taps", {}, R"({"service":"cart\n","failed":true,"minMs":5})", reader_);
  ASSERT_EQ(opened.status, 201) << opened.body;
  EXPECT_EQ(event_, "rob taps failed=\"true\" minMs=\"5\" service=\"cart\\n\" (tap " +
                        Body(opened)["id"].get<std::string>() + ")");
  EXPECT_TRUE(sidecar_.received.back().question().tap().failed_only());
  EXPECT_EQ(sidecar_.received.back().question().tap().at_least_milliseconds(), 5u);
  EXPECT_EQ(sidecar_.received.back().question().tap().limit(), 0u) << "it would end the tap";
  const std::string path = "/v1/taps/" + Body(opened)["id"].get<std::string>();
  EXPECT_EQ(Body(Call("GET", path, {}, "", reader_))["requests"].size(), 0) << "after a second";
  insight::v1::Answer answer;
  answer.set_question(sidecar_.received.back().question().id());
  insight::v1::RequestRecord& record = *answer.add_requests();
  record = Record("1", 1000);
  record.set_service("cart\n");  // as the filter wants it
  record.set_failed(true);
  record.set_ended(5000);
  sidecar_.Reply(answer);
  const Json news = Body(Call("GET", path, {}, "", reader_));
  EXPECT_EQ(news["requests"][0]["requestId"], "1");
  EXPECT_EQ(news["sidecars"], 1);
  EXPECT_EQ(Call("GET", path).status, 404) << "another's";
  EXPECT_EQ(Call("DELETE", path, {}, "", reader_).status, 200);
  EXPECT_EQ(Call("GET", path, {}, "", reader_).status, 404);
}

TEST_F(LiveTest, TapsAreLimitedAndTheirFieldsChecked) {
  EXPECT_EQ(Call("POST", "/v1/taps", {}, R"({"servce":"cart"})").status, 400);
  EXPECT_EQ(Call("POST", "/v1/taps", {}, R"({"service":["cart"]})").status, 400);
  EXPECT_EQ(Call("POST", "/v1/taps", {}, R"({"status":"high"})").status, 400);
  EXPECT_EQ(Call("POST", "/v1/taps").status, 201);
  EXPECT_EQ(Call("POST", "/v1/taps").status, 201);
  EXPECT_EQ(Call("POST", "/v1/taps").status, 429);
}

TEST_F(LiveTest, TapsNeedACredential) {
  for (const char* who : {"Bearer wrong", "none"}) {
    EXPECT_EQ(Call("POST", "/v1/taps", {}, "{}", who).status, 401) << who;
    EXPECT_EQ(event_, "");
  }
  EXPECT_EQ(api_.Handle({"POST", "/v1/taps", {}, "{}", ""}, kNow).status, 401);
  EXPECT_TRUE(sidecar_.received.empty()) << "no sidecar was asked";
}

TEST_F(LiveTest, HeadersAreShownWithoutSecretsUnlessAnAdminWantsThem) {
  const auto open = [this](const char* body, const std::string& who) {
    ApiResponse response = Call("POST", "/v1/taps", {}, body, who);
    return response.status;
  };
  const auto asked = [this]() -> const insight::v1::Question& {
    return sidecar_.received.back().question();
  };
  EXPECT_EQ(open(R"({"showHeaders":true,"headers":["x-user: 42","authorization"]})", reader_), 201);
  EXPECT_EQ(asked().headers(), insight::v1::REDACTED);
  ASSERT_EQ(asked().tap().headers_size(), 2);
  EXPECT_EQ(asked().tap().headers(0).name(), "x-user");
  EXPECT_EQ(asked().tap().headers(0).value(), "42");
  EXPECT_FALSE(asked().tap().headers(1).has_value());
  EXPECT_NE(event_.find("header=\"x-user\" header=\"authorization\", with headers"),
            std::string::npos)
      << event_;
  EXPECT_EQ(event_.find("42"), std::string::npos) << "values are not in the log";
  const size_t before = sidecar_.received.size();
  EXPECT_EQ(open(R"({"redact":false})", reader_), 403);
  EXPECT_EQ(event_, "");
  EXPECT_EQ(open(R"({"headers":["authorization: Bearer x"]})", reader_), 400) << "a guess";
  EXPECT_EQ(open(R"({"headers":["authorization: Bearer x"]})", admin_), 400);
  EXPECT_EQ(open(R"({"headers":["a","b","c","d","e"]})", admin_), 400);
  EXPECT_EQ(open(R"({"headers":"a"})", admin_), 400);
  EXPECT_EQ(open(R"({"headers":[":"]})", admin_), 400);
  EXPECT_EQ(open(R"({"headers":[7]})", admin_), 400);
  EXPECT_EQ(open(R"({"redact":"no"})", admin_), 400);
  EXPECT_EQ(sidecar_.received.size(), before);
  EXPECT_EQ(open(R"({"redact":false,"headers":["authorization: Bearer x"]})", admin_), 201);
  EXPECT_EQ(asked().headers(), insight::v1::ALL_VALUES);
  EXPECT_NE(event_.find("with headers and their secrets"), std::string::npos) << event_;
}

TEST_F(LiveTest, AProxyTellsItsConfiguration) {
  Says(R"({"clusters":[]})");
  const Json json = Body(Call("GET", "/v1/proxies/post-1/live/clusters", {}, "", reader_));
  EXPECT_EQ(json["config"], Json({{"clusters", Json::array()}}));
  EXPECT_EQ(sidecar_.received.back().question().config().kind(), "clusters");
  Says("no JSON");
  EXPECT_EQ(Call("GET", "/v1/proxies/post-1/live/clusters").status, 502);
  // Writing it again would take a stack as deep.
  Says(std::string(300'000, '[') + std::string(300'000, ']'));
  EXPECT_EQ(Call("GET", "/v1/proxies/post-1/live/clusters").status, 502);
  Says("", "it has more than 512 KiB");
  EXPECT_EQ(Body(Call("GET", "/v1/proxies/post-1/live/routes"))["error"],
            "proxy post-1 answered: it has more than 512 KiB");
  EXPECT_EQ(Call("GET", "/v1/proxies/post-1/live/keys").status, 404);
  EXPECT_EQ(Call("GET", "/v1/proxies/other/live/clusters").status, 404);
  sidecar_.Leave();
  EXPECT_EQ(Call("GET", "/v1/proxies/post-1/live/clusters").status, 503);
}

TEST_F(LiveTest, OnlyAdminsSetTheLevelOfALog) {
  const std::string path = "/v1/proxies/post-1/log-level";
  Says("debug");
  EXPECT_EQ(Body(Call("GET", path, {}, "", reader_))["level"], "debug");
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"debug"})", reader_).status, 403);
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"loud"})").status, 400);
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"debug","seconds":-1})").status, 400);
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"debug","seconds":86401})").status, 400);
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"debug","seconds":60})").status, 200);
  EXPECT_EQ(sidecar_.received.back().question().log_level().level(), "debug");
  EXPECT_EQ(sidecar_.received.back().question().log_level().seconds(), 60u);
  EXPECT_EQ(event_, "ann set the log level of post-1 to debug for 60 s");
  Says("shouting");
  EXPECT_EQ(Call("GET", path).status, 502);
  // What the sidecar refused has not happened.
  Says("", "seconds: at most 86400");
  EXPECT_EQ(Call("PUT", path, {}, R"({"level":"debug"})").status / 100, 5);
  EXPECT_EQ(event_, "");
}

}  // namespace
}  // namespace tulle::api
