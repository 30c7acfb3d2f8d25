// What happened to requests: explain, errors, tap, trace, logs.
#include <algorithm>
#include <string>
#include <vector>

#include "control-plane/cli/json_text.h"
#include "control-plane/cli/tullectl_fixture.h"
#include "control-plane/cli/waterfall.h"
#include "control-plane/insight/fake_sidecar_for_test.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace tulle::cli {
namespace {

using insight::v1::RequestRecord;

constexpr char kId[] = "6b1d2b3c-52a9-4a4d-9f0e-1f6a2c7d8e90";
constexpr char kService[] = "cart.shop.svc.cluster.local";

class RequestCommands : public Tullectl {
 protected:
  static std::string IdOf(const std::string& account) {
    return "spiffe://cluster.local/ns/shop/sa/" + account;
  }
  // web calls cart, which denies it. The clock of cart's host is behind.
  static std::vector<RequestRecord> Denied() {
    RequestRecord caller;
    caller.set_request_id(kId);
    caller.set_outbound(true);
    caller.set_started_micros(kNow * 1'000'000 + 123'456);
    caller.set_method("GET");
    caller.set_authority("cart.shop");
    caller.set_path("/items");
    caller.set_status(403);
    caller.set_source(IdOf("web"));
    caller.set_destination(IdOf("cart"));
    caller.set_mutual_tls(true);
    caller.set_service(kService);
    caller.set_route("cart");
    caller.set_cluster("outbound|80||cart.shop");
    caller.set_endpoint("10.0.0.5:15006");
    caller.set_attempts(1);
    caller.set_upstream_asked(200);
    caller.set_upstream_answered(2300);
    caller.set_ended(2400);
    caller.set_proxy("web-1");
    RequestRecord service = caller;
    service.set_outbound(false);
    service.set_started_micros(kNow * 1'000'000 - 5'000'000);
    service.set_cause("denied");
    service.set_response_flags("UAEX");
    service.set_policy("ns[shop]-policy[only-admin]-rule[0]");
    service.set_source_address("10.0.0.4:5000");
    service.clear_cluster();
    service.clear_route();
    service.clear_endpoint();
    service.set_upstream_asked(0);
    service.set_upstream_answered(0);
    service.set_ended(900);
    service.set_proxy("cart-1");
    auto& decision = *service.add_decisions();
    decision.set_kind("authorization");
    decision.set_subject("ns[shop]-policy[only-admin]-rule[0]");
    decision.set_reason("policy matched");
    return {service, caller};
  }
  void Know(const std::vector<RequestRecord>& records) {
    sidecar_.on_message = [this, records](const insight::v1::ToSidecar& message) {
      if (!message.has_question()) return;
      insight::v1::Answer answer;
      answer.set_question(message.question().id());
      for (const RequestRecord& record : records) *answer.add_requests() = record;
      answer.set_is_last(true);
      sidecar_.Reply(answer);
    };
  }
  bool Says(const std::string& text) const { return out.find(text) != std::string::npos; }

  insight::FakeSidecar sidecar_{respondents_, "web-1"};
};

TEST_F(RequestCommands, ExplainSaysWhatEachHopDecided) {
  Know(Denied());
  width = 200;
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_EQ(out.substr(0, out.find('\n')), "GET cart.shop/items: 403");
  EXPECT_LT(out.find("1. web.shop calls cart.shop"), out.find("2. cart.shop is called by web.shop"))
      << out;
  for (const char* part :
       {"cart -> outbound|80||cart.shop", "10.0.0.5:15006 (cart.shop), mutual TLS",
        "2.4ms: 0.2ms until it was forwarded", "(0.9ms at the sidecar of the service)",
        "0.9ms, not forwarded", "403 UAEX denied", "AuthorizationPolicy shop/only-admin, rule 0",
        "Result      hop 2: the sidecar of cart.shop answered 403, because this DENY policy "
        "matches",
        "Next step", "tullectl get AuthorizationPolicy only-admin -n shop -o yaml"}) {
    EXPECT_TRUE(Says(part)) << part << "\n" << out;
  }
  EXPECT_EQ(err, "");
  ASSERT_EQ(Run({"explain", kId, "-o", "json"}), 0) << err;
  const Json json = Json::parse(out);
  EXPECT_EQ(json["verdict"]["cause"], "denied");
  EXPECT_EQ(json["hops"][1]["proxy"], "cart-1");
  EXPECT_EQ(json["hops"][1]["depth"], 1);
}

TEST_F(RequestCommands, ACallWhoseCallerHasNoRecordIsNamed) {
  auto records = Denied();
  RequestRecord further = records[0];
  further.set_source(IdOf("cart"));
  further.set_destination(IdOf("stock"));
  further.set_proxy("stock-1");
  records.push_back(further);
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(Says("the sidecar of cart.shop, which called stock.shop")) << out;
  ASSERT_EQ(Run({"explain", kId, "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["missing"].size(), 1u) << out;
  Know(Denied());
  ASSERT_EQ(Run({"explain", kId, "-o", "json"}), 0) << err;
  EXPECT_FALSE(Json::parse(out).contains("missing")) << out;
}

// A sidecar that is asked for a request knows its ID, and can say that it has had a part in it.
TEST_F(RequestCommands, WhatOneSidecarAloneTellsDecidesNothing) {
  const auto forged = [](bool is_outbound, const char* cause) {
    RequestRecord record = Denied()[0];
    record.set_outbound(is_outbound);
    record.set_cause(cause);
    record.set_proxy("evil-1");
    (is_outbound ? record.mutable_source() : record.mutable_destination())->assign(IdOf("evil"));
    record.clear_service();
    record.set_started_micros(is_outbound ? 0 : (kNow + 10) * 1'000'000);
    return record;
  };
  auto records = Denied();
  records.push_back(forged(false, "overflow"));
  records.push_back(forged(true, "connect_failed"));
  Know(records);
  ASSERT_EQ(Run({"explain", kId, "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["verdict"]["cause"], "denied") << out;
  EXPECT_FALSE(Says("no other sidecar has told")) << out;
  for (RequestRecord& record : records) {
    if (record.proxy() == "evil-1") continue;
    record.set_status(200);
    record.clear_cause();
    record.clear_policy();
  }
  Know(records);
  width = 300;
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(Says("(no other sidecar has told of this call)")) << out;
}

TEST_F(RequestCommands, ADenialWithoutAPolicySaysWhatDoesNotMatch) {
  auto records = Denied();
  records[0].clear_policy();
  records[0].clear_decisions();
  const auto consider = [&](const char* policy, const char* reason) {
    auto& decision = *records[0].add_decisions();
    decision.set_kind("authorization");
    decision.set_subject(policy);
    decision.set_reason(reason);
    Know(records);
    EXPECT_EQ(Run({"explain", kId}), 0) << err;
  };
  width = 300;
  consider("", "no policy allows it");
  EXPECT_TRUE(Says(": no rule of its ALLOW policies matches this request")) << out;
  EXPECT_FALSE(Says("names web.shop")) << "nothing is known of the rules: " << out;
  consider("ns[shop]-policy[others]-rule[0]", "caller does not match, path does not match");
  EXPECT_TRUE(Says(": no rule of its ALLOW policies names web.shop")) << out;
  EXPECT_TRUE(Says("AuthorizationPolicy spec.rules[].from")) << out;
  consider("ns[shop]-policy[readers]-rule[1]", "path does not match");
  EXPECT_TRUE(Says(
      ": AuthorizationPolicy shop/readers, rule 1 names web.shop, but the path does not match"))
      << out;
  EXPECT_TRUE(Says("AuthorizationPolicy spec.rules[].to")) << out;
  EXPECT_TRUE(Says("tullectl get AuthorizationPolicy readers -n shop -o yaml")) << out;
}

TEST_F(RequestCommands, ATimeoutOfTheCallerIsTheCauseNotItsEffect) {
  auto records = Denied();
  records[1].set_cause("request_timeout");
  records[1].set_status(504);
  records[0].set_cause("downstream_closed");
  records[0].set_status(0);
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(Says("hop 1: the sidecar of web.shop answered 504, because the whole request"))
      << out;
  EXPECT_TRUE(Says("ResiliencePolicy spec.timeouts.request")) << out;
}

TEST_F(RequestCommands, ThePolicyThatDecidesIsNamed) {
  auto records = Denied();
  RequestRecord& limited = records[0];
  limited.clear_policy();
  limited.clear_decisions();
  limited.set_cause("rate_limited");
  limited.set_status(429);
  records[1].set_status(429);
  width = 300;
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_FALSE(Says("\nPolicy ")) << out;
  auto& decision = *limited.add_decisions();
  decision.set_kind("policy");
  decision.set_subject("ResiliencePolicy shop/cart spec.rateLimit");
  decision.set_reason("rate_limited");
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(
      Says("Policy      ResiliencePolicy shop/cart\n"
           "Field       ResiliencePolicy spec.rateLimit\n"))
      << out;
  EXPECT_TRUE(Says("tullectl get ResiliencePolicy cart -n shop -o yaml")) << out;
}

TEST_F(RequestCommands, AHostThatTheMeshDoesNotKnowIsNamed) {
  auto records = Denied();
  records.erase(records.begin());
  records[0].set_status(404);
  records[0].set_route("unknown_host");
  records[0].set_cause("unknown_host");
  records[0].clear_cluster();
  records[0].set_upstream_asked(0);
  records[0].set_upstream_answered(0);
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(Says("the mesh knows no host \"cart.shop\"")) << out;
}

TEST_F(RequestCommands, AnErrorOfTheApplicationIsItsOwn) {
  auto records = Denied();
  for (RequestRecord& record : records) {
    record.set_status(500);
    record.clear_cause();
    record.clear_policy();
  }
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_TRUE(Says("cart.shop answered 500 itself; the mesh passed it on")) << out;
}

TEST_F(RequestCommands, TextOfStrangersIsHarmless) {
  auto records = Denied();
  records[1].set_path(
      "/\x1b[2J\xc2\x9b"
      "2K");
  records[1].set_authority("\xe2\x80\xae evil");
  Know(records);
  ASSERT_EQ(Run({"explain", kId}), 0) << err;
  EXPECT_FALSE(Says("\x1b")) << out;
  EXPECT_FALSE(Says("\xc2\x9b")) << out;
  EXPECT_FALSE(Says("\xe2\x80\xae")) << out;
}

TEST_F(RequestCommands, ExplainTellsIdsFromKinds) {
  Know({});
  EXPECT_EQ(Run({"explain", "abc-123"}), 1);
  EXPECT_NE(err.find("no sidecar knows a request \"abc-123\""), std::string::npos) << err;
  EXPECT_EQ(Run({"explain", "--id", "checkout"}), 1);
  EXPECT_NE(err.find("no sidecar knows a request \"checkout\""), std::string::npos) << err;
  EXPECT_EQ(Run({"explain", "httproute"}), 0) << err;
  EXPECT_TRUE(Says("KIND:     HTTPRoute"));
  EXPECT_EQ(Run({"explain", "httprout"}), 1);
  EXPECT_NE(err.find("unknown kind"), std::string::npos) << err;
}

TEST_F(RequestCommands, SidecarsThatDoNotAnswerAreMentioned) {
  insight::FakeSidecar old(respondents_, "old");
  EXPECT_EQ(Run({"explain", kId}), 1);
  EXPECT_NE(err.find("2 of 2 sidecars did not answer"), std::string::npos) << err;
  Know(Denied());
  EXPECT_EQ(Run({"explain", kId}), 0);
  EXPECT_NE(err.find("warning: 1 of 2 sidecars did not answer"), std::string::npos) << err;
}

TEST_F(RequestCommands, ErrorsAreCountedByCause) {
  EXPECT_EQ(Run({"errors"}), 0);
  EXPECT_NE(err.find("No failed request was reported in the last 1h"), std::string::npos) << err;
  failures_.Add(Denied()[0], IdOf("cart"), kNow - 30);
  failures_.Add(Denied()[1], IdOf("web"), kNow - 30);
  now = kNow + 5;
  ASSERT_EQ(Run({"errors"}), 0) << err;
  EXPECT_EQ(out,
            "COUNT   STATUS   CAUSE    CALLER     SERVICE     LAST      EXAMPLE\n"
            "1       403      denied   web.shop   cart.shop   10s ago   "
            "6b1d2b3c-52a9-4a4d-9f0e-1f6a2c7d8e90\n"
            "\nWhy: tullectl explain 6b1d2b3c-52a9-4a4d-9f0e-1f6a2c7d8e90\n");
  EXPECT_EQ(Run({"errors", "-n", "bank"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(Run({"errors", "-o", "wide"}), 0);
  EXPECT_TRUE(Says("a policy does not let this caller")) << out;
  EXPECT_EQ(Run({"errors", "-t", "2h"}), 1);
}

TEST_F(RequestCommands, TapShowsRequestsUntilThereAreEnough) {
  sidecar_.on_message = [this](const insight::v1::ToSidecar& message) {
    if (!message.question().has_tap()) return;
    loop_->Post([this, id = message.question().id()] {
      insight::v1::Answer answer;
      answer.set_question(id);
      for (const RequestRecord& record : Denied()) *answer.add_requests() = record;
      sidecar_.Reply(answer);
    });
  };
  ASSERT_EQ(Run({"tap", "cart", "-n", "shop", "--from", "web.shop", "--status", "400-499",
                 "--requests", "2"}),
            0)
      << err;
  const auto& tap = sidecar_.received[0].question().tap();
  EXPECT_EQ(tap.service(), "cart.shop");
  EXPECT_EQ(tap.source(), "web.shop");
  ASSERT_EQ(tap.statuses_size(), 1);
  EXPECT_EQ(tap.statuses(0).lowest(), 400u);
  EXPECT_NE(sidecar_.received.back().end_tap(), 0u) << "it is ended";
  EXPECT_TRUE(Says("TIME           SEEN BY  CALLER             SERVICE            METHOD  PATH"))
      << out;
  EXPECT_TRUE(Says("service  web.shop           cart.shop          GET     /items")) << out;
  EXPECT_TRUE(Says("403 UAEX denied")) << out;
  ASSERT_EQ(Run({"tap", "--requests", "1", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["requestId"], kId);
  sidecar_.received.clear();
  ASSERT_EQ(Run({"tap", "-n", "shop", "--requests", "1"}), 0) << err;
  EXPECT_EQ(sidecar_.received[0].question().tap().namespace_(), "shop");
  EXPECT_EQ(sidecar_.received[0].question().tap().service(), "");
  EXPECT_EQ(Run({"tap", "--status", "none"}), 1);
  EXPECT_NE(err.find("use a status like 503"), std::string::npos) << err;
}

TEST_F(RequestCommands, TapLooksForHeadersAndShowsThem) {
  sidecar_.on_message = [this](const insight::v1::ToSidecar& message) {
    if (!message.question().has_tap()) return;
    loop_->Post([this, id = message.question().id()] {
      insight::v1::Answer answer;
      answer.set_question(id);
      RequestRecord& record = *answer.add_requests() = Denied()[0];
      record.set_ended(500'000);  // as the filter wants it
      insight::v1::ShownHeader& shown = *record.add_request_headers();
      shown.set_name("x-user\x1b[2J");
      shown.set_value("<b>\x1b[2J\xc2\x9b");
      insight::v1::ShownHeader& hidden = *record.add_request_headers();
      hidden.set_name("authorization");
      hidden.set_redacted(true);
      record.add_response_headers()->set_name("server");
      record.set_headers_left_out(7);
      sidecar_.Reply(answer);
    });
  };
  ASSERT_EQ(Run({"tap", "-A", "-H", "x-user:42", "-H", "authorization", "--show-headers",
                 "--min-latency", "250ms", "--max-latency", "1.5s", "--requests", "1"}),
            0)
      << err;
  const auto& question = sidecar_.received[0].question();
  EXPECT_EQ(question.headers(), insight::v1::REDACTED);
  ASSERT_EQ(question.tap().headers_size(), 2);
  EXPECT_EQ(question.tap().headers(0).value(), "42");
  EXPECT_EQ(question.tap().at_least_milliseconds(), 250);
  EXPECT_EQ(question.tap().at_most_milliseconds(), 1500);
  EXPECT_TRUE(Says("    request authorization: [redacted]\n")) << out;
  EXPECT_TRUE(Says("    response server: \n    and 7 more headers\n")) << out;
  EXPECT_TRUE(Says("request x-user [2J: <b> [2J")) << out;
  EXPECT_FALSE(Says("\x1b")) << out;
  EXPECT_FALSE(Says("\xc2\x9b")) << out;
  EXPECT_EQ(Run({"tap", "-H", "cookie:x=1"}), 1);
  EXPECT_NE(err.find("may be a secret"), std::string::npos) << err;
  EXPECT_EQ(Run({"tap", "--no-redact"}), 1);
  EXPECT_NE(err.find("--show-headers"), std::string::npos) << err;
  EXPECT_EQ(Run({"tap", "--min-latency", "soon"}), 1);
  EXPECT_NE(err.find("like 250ms"), std::string::npos) << err;
}

TEST_F(RequestCommands, WhoMayNotTapIsRefused) {
  const std::string reader = *credentials_.Create({"rob", api::Role::kReader}, "test", kNow);
  secret_ = reader;
  admin_ = Write("reader.json", R"({"server":"https://127.0.0.1:15016","ca":"PEM","credential":")" +
                                    reader + "\"}");
  EXPECT_EQ(Run({"tap", "--show-headers", "--no-redact"}), 1);
  EXPECT_NE(err.find("role admin"), std::string::npos) << err;
  ASSERT_TRUE(credentials_.Delete("rob", "test", kNow).ok());
  EXPECT_EQ(Run({"tap"}), 1);
  EXPECT_NE(err.find("rejected the credential"), std::string::npos) << err;
  EXPECT_TRUE(sidecar_.received.empty()) << "no sidecar was asked";
}

TEST_F(RequestCommands, ATapThatTheServerHasForgottenIsOpenedAgain) {
  int taps = 0;
  sidecar_.on_message = [this, &taps](const insight::v1::ToSidecar& message) {
    if (!message.question().has_tap()) return;
    if (++taps == 1) {
      is_unreachable = true;
      return;
    }
    loop_->Post([this, id = message.question().id()] {
      insight::v1::Answer answer;
      answer.set_question(id);
      *answer.add_requests() = Denied()[0];
      sidecar_.Reply(answer);
    });
  };
  on_pause = [this] {
    is_unreachable = false;
    simulation_.RunFor(std::chrono::seconds(11));
    EXPECT_EQ(taps_.open(), 0) << "nobody has read it";
  };
  ASSERT_EQ(Run({"tap", "--requests", "1"}), 0) << err;
  EXPECT_EQ(taps, 2);
  EXPECT_NE(err.find("warning: connection refused\nTrying again"), std::string::npos) << err;
}

TEST_F(RequestCommands, TopCountsRequestsOnceByMethodAndPath) {
  sidecar_.on_message = [this](const insight::v1::ToSidecar& message) {
    if (!message.question().has_tap()) return;
    loop_->Post([this, id = message.question().id()] {
      insight::v1::Answer answer;
      answer.set_question(id);
      for (int64_t i = 0; i < 3; ++i) {
        for (RequestRecord record : Denied()) {
          record.set_status(i == 2 ? 503 : 200);
          record.set_failed(i == 2);
          record.clear_cause();
          record.set_ended(1000 * static_cast<uint64_t>(i + 1));
          *answer.add_requests() = record;
        }
      }
      now += 3;
      sidecar_.Reply(answer);
    });
  };
  ASSERT_EQ(Run({"top", "cart.shop", "-w", "--method", "GET", "--count", "1"}), 0) << err;
  EXPECT_EQ(sidecar_.received[0].question().tap().service(), "cart.shop");
  EXPECT_EQ(sidecar_.received[0].question().tap().method(), "GET");
  EXPECT_EQ(out,
            "CALLER     SERVICE     METHOD   PATH     COUNT   BEST    WORST   LAST    SUCCESS\n"
            "web.shop   cart.shop   GET      /items   3       1.0ms   3.0ms   3.0ms   66.66%\n");
  ASSERT_EQ(Run({"top", "--count", "1", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["requests"][0]["failures"], 1) << out;
}

TEST_F(RequestCommands, ErrorsAreChosenAndNamed) {
  failures_.Add(Denied()[0], IdOf("cart"), kNow - 30);
  EXPECT_EQ(Run({"errors", "cart.shop", "--from", "web.shop", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, std::string(kId) + "\n");
  EXPECT_EQ(Run({"errors", "cart", "--from", "teller.bank"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_NE(err.find("No failed request of teller.bank to cart"), std::string::npos) << err;
}

TEST_F(RequestCommands, TapEndsInTime) {
  sidecar_.on_message = [this](const insight::v1::ToSidecar&) { now += 6; };
  ASSERT_EQ(Run({"tap", "--duration", "5s"}), 0) << err;
  EXPECT_EQ(out, "");
}

void AddSpan(opentelemetry::proto::trace::v1::ScopeSpans* scope, char id, char parent,
             uint64_t start_ms, uint64_t end_ms, int mesh_micros) {
  auto& span = *scope->add_spans();
  span.set_trace_id(std::string(16, 't'));
  span.set_span_id(std::string(8, id));
  if (parent != 0) span.set_parent_span_id(std::string(8, parent));
  span.set_name(std::string("GET /") + id);
  span.set_start_time_unix_nano(start_ms * 1'000'000);
  span.set_end_time_unix_nano(end_ms * 1'000'000);
  if (mesh_micros < 0) return;
  span.set_kind(opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER);
  auto& attribute = *span.add_attributes();
  attribute.set_key("tulle.mesh.microseconds");
  attribute.mutable_value()->set_int_value(mesh_micros);
}

class EventCommands : public Tullectl {
 protected:
  void Happened(const std::string& reason, const insight::EventSubject& subject,
                const std::string& message, int64_t at,
                insight::Event::Type type = insight::Event::Type::kNormal) {
    events_.Add({type, reason, subject, message, "ann"}, at);
  }
};

TEST_F(EventCommands, EventsAreListedWithTheirCount) {
  EXPECT_EQ(Run({"events"}), 0) << err;
  EXPECT_EQ(out, "");
  EXPECT_TRUE(err.starts_with("No events.")) << err;
  Happened("PolicyChanged", {"HTTPRoute", "shop", "post"}, "ann changed it", kNow - 7200);
  Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "connected", kNow - 50);
  Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "connected", kNow - 5);
  Happened("RootRotated", {"Root", "", "cluster.local"}, "another root\x1b[2J", kNow - 1,
           insight::Event::Type::kWarning);
  ASSERT_EQ(Run({"events"}), 0) << err;
  EXPECT_EQ(out,
            "LAST SEEN   COUNT   NAMESPACE   TYPE      REASON           OBJECT               "
            "MESSAGE\n"
            "120m        1       shop        Normal    PolicyChanged    httproute/post       "
            "ann changed it\n"
            "5s          2       default     Normal    ProxyConnected   proxy/web-1          "
            "connected\n"
            "1s          1       -           Warning   RootRotated      root/cluster.local   "
            "another root [2J\n");
  ASSERT_EQ(Run({"events", "-o", "wide"}), 0) << err;
  EXPECT_NE(out.find("FIRST SEEN"), std::string::npos) << out;
  EXPECT_NE(out.find("50s"), std::string::npos) << out;
  ASSERT_EQ(Run({"events", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["items"][1]["count"], 2);
}

TEST_F(EventCommands, TheyAreNarrowedByObjectNamespaceAndTime) {
  Happened("PolicyChanged", {"HTTPRoute", "shop", "post"}, "one", kNow - 7200);
  Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "two", kNow - 5);
  Happened("ProxyConnected", {"Proxy", "shop", "web-2"}, "three", kNow - 4);
  const auto shown = [this](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "events");
    arguments.insert(arguments.end(), {"-o", "json"});
    EXPECT_EQ(Run(arguments), 0) << err;
    std::string messages;
    const Json shown_events = Json::parse(out);
    for (const Json& event : shown_events["items"])
      messages += event["message"].get<std::string>() + " ";
    return messages;
  };
  EXPECT_EQ(shown({}), "one two three ");
  EXPECT_EQ(shown({"-n", "shop"}), "one three ");
  EXPECT_EQ(shown({"-t", "10m"}), "two three ");
  EXPECT_EQ(shown({"--for", "hr/post"}), "one ");
  EXPECT_EQ(shown({"--for", "proxy"}), "two three ");
  EXPECT_EQ(shown({"--for", "Proxy/web-2"}), "three ");
  EXPECT_EQ(shown({"--for", "httproute/pos"}), "") << "only names of proxies may be cut";
  EXPECT_EQ(Run({"events", "--for", "pod/x"}), 1);
  EXPECT_NE(err.find("unknown kind \"pod\""), std::string::npos) << err;
  EXPECT_EQ(Run({"events", "-t", "soon"}), 1);
}

TEST_F(EventCommands, WatchingShowsEachNewOneOnce) {
  Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "first", kNow);
  int pauses = 0;
  on_pause = [&] {
    if (++pauses == 1) Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "second", kNow);
    if (pauses == 2) Happened("ProxyConnected", {"Proxy", "default", "web-1"}, "second", kNow);
  };
  ASSERT_EQ(Run({"events", "--watch", "--count", "4"}), 0) << err;
  EXPECT_EQ(pauses, 3);
  std::vector<std::string> messages;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);)
    messages.push_back(line.substr(line.rfind(' ') + 1));
  EXPECT_EQ(messages, (std::vector<std::string>{"MESSAGE", "first", "second", "second"})) << out;
}

TEST_F(RequestCommands, ATraceIsShownAsBars) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto* scope = request.add_resource_spans()->add_scope_spans();
  AddSpan(scope, 'b', 'a', 1050, 1100, -1);
  AddSpan(scope, 'a', 0, 1000, 1100, 300);
  ASSERT_TRUE(traces_.Add(request.SerializeAsString(), IdOf("web")));
  width = 80;
  ASSERT_EQ(Run({"trace", "74747474747474747474747474747474"}), 0) << err;
  EXPECT_TRUE(Says("100ms, of which 0.3ms spent in sidecars")) << out;
  const size_t parent = out.find("GET /a");
  const size_t child = out.find("  unknown_service GET /b");
  ASSERT_NE(parent, std::string::npos) << out;
  ASSERT_NE(child, std::string::npos) << out;
  EXPECT_LT(parent, child);
  size_t begin = 0;
  while (begin < out.size()) {
    const size_t end = out.find('\n', begin);
    EXPECT_LE(end - begin, 80u) << out.substr(begin, end - begin);
    begin = end + 1;
  }
  auto records = Denied();
  records[0].set_trace_id("74747474747474747474747474747474");
  Know(records);
  ASSERT_EQ(Run({"trace", kId}), 0) << err;
  EXPECT_TRUE(Says("unknown_service GET /b")) << "the trace of a request: " << out;
  EXPECT_EQ(Run({"trace", "1234"}), 1);
  EXPECT_NE(err.find("tullectl explain 1234"), std::string::npos) << err;
}

TEST(Waterfall, AChainOfSpansIsNotAsDeepOnTheStack) {
  constexpr int kSpans = 50'000;
  Json trace = {{"traceId", "ab12"}, {"spans", Json::array()}};
  for (int i = 0; i < kSpans; ++i) {
    trace["spans"].push_back({{"spanId", std::to_string(i)},
                              {"parentSpanId", i == 0 ? "" : std::to_string(i - 1)},
                              {"name", "GET"}});
  }
  const std::string text = WaterfallOf(trace, 100);
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), kSpans);
}

TEST_F(RequestCommands, TheLevelOfALogIsSet) {
  insight::FakeSidecar post(respondents_, "post-1");
  post.on_message = [&post](const insight::v1::ToSidecar& message) {
    insight::v1::Answer answer;
    answer.set_question(message.question().id());
    const std::string& level = message.question().log_level().level();
    answer.set_text(level.empty() ? "info" : level);
    answer.set_is_last(true);
    post.Reply(answer);
  };
  EXPECT_EQ(Run({"logs", "post-1"}), 0) << err;
  EXPECT_EQ(out, "The log of post-1 has the level info.\n");
  EXPECT_EQ(Run({"logs", "post-1", "--level", "debug", "--for", "10m"}), 0) << err;
  EXPECT_EQ(out, "The log of post-1 has the level debug for 10m.\n");
  EXPECT_EQ(post.received.back().question().log_level().seconds(), 600u);
  EXPECT_EQ(Run({"logs", "post-1", "--level", "debug", "--component", "xds"}), 0) << err;
  EXPECT_EQ(out, "The log of post-1, component xds, has the level debug.\n");
  EXPECT_EQ(post.received.back().question().log_level().component(), "xds");
  EXPECT_EQ(Run({"logs", "post-1", "--level", "debug", "--for", "7d"}), 1);
  EXPECT_NE(err.find("at most 86400"), std::string::npos) << err;
  EXPECT_EQ(Run({"logs", "post-1", "--level", "loud"}), 1);
  EXPECT_EQ(Run({"logs", "post-1", "--for", "10m"}), 1);
}

TEST_F(RequestCommands, LiveConfigurationIsThatOfTheProxy) {
  insight::FakeSidecar post(respondents_, "post-1");
  post.on_message = [&post](const insight::v1::ToSidecar& message) {
    insight::v1::Answer answer;
    answer.set_question(message.question().id());
    answer.set_text(R"({"name":")" + message.question().config().kind() + "\"}");
    answer.set_is_last(true);
    post.Reply(answer);
  };
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--live", "-o", "yaml"}), 0) << err;
  EXPECT_EQ(out, "name: clusters\n");
  EXPECT_EQ(Run({"proxy-config", "post-1", "--live", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["routes"]["name"], "routes");
}

TEST_F(RequestCommands, LiveConfigurationIsComparedWithWhatWasSent) {
  ASSERT_EQ(Run({"proxy-config", "post-1", "clusters", "-o", "json"}), 0) << err;
  const Json sent = Json::parse(out)["items"];
  ASSERT_FALSE(sent.empty());
  const std::string name = sent[0]["name"];
  Json live = Json::array();
  for (const Json& item : sent) {
    live.push_back({{"name", item["name"]},
                    {"static", false},
                    {"state", "active"},
                    {"config", item["resource"]}});
  }
  live.push_back(
      {{"name", "own"}, {"static", true}, {"state", "active"}, {"config", {{"name", "own"}}}});
  insight::FakeSidecar post(respondents_, "post-1");
  post.on_message = [&](const insight::v1::ToSidecar& message) {
    const bool of_clusters = message.question().config().kind() == "resources/clusters";
    insight::v1::Answer answer;
    answer.set_question(message.question().id());
    answer.set_text(of_clusters ? live.dump() : "[]");
    answer.set_is_last(true);
    post.Reply(answer);
  };
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--live"}), 0) << err;
  EXPECT_TRUE(Says("as sent") && Says("static")) << out;
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--diff"}), 0) << err;
  EXPECT_EQ(out, "");
  live[0]["config"]["lb_policy"] = "MAGLEV";
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--live"}), 0) << err;
  EXPECT_TRUE(Says("DIFFERS")) << out;
  EXPECT_NE(err.find("--diff"), std::string::npos) << err;
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--diff"}), 1) << err;
  EXPECT_TRUE(Says("--- clusters/" + name) && Says("-lb_policy: MAGLEV")) << out;
  live.erase(0);
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--live"}), 0) << err;
  EXPECT_TRUE(Says("NOT IN FORCE")) << out;
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--live", "--fqdn", "own", "-o", "name"}),
            0);
  EXPECT_EQ(out, "own\n");
  EXPECT_EQ(Run({"proxy-config", "post-1", "clusters", "--port", "1"}), 0) << err;
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace tulle::cli
