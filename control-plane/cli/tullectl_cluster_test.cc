#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/service_proxy.h"
#include "control-plane/cli/tullectl_cluster_fixture.h"

namespace tulle::cli {
namespace {

TEST_F(TullectlInACluster, ReadingTakesTheViewersTokenInAHeader) {
  ASSERT_EQ(Run({"status"}), 0) << err;
  EXPECT_NE(out.find("post-1"), std::string::npos);
  ASSERT_EQ(cluster_.seen.size(), 3) << "pods, a token, the call";
  const k8s::Request& wish = cluster_.seen[1].request;
  EXPECT_EQ(wish.target, "/api/v1/namespaces/tulle-system/serviceaccounts/tulle-viewer/token");
  EXPECT_NE(wish.body.find(R"("audiences":["tulle-control"])"), std::string::npos) << wish.body;
  EXPECT_NE(wish.body.find(R"("expirationSeconds":600)"), std::string::npos) << wish.body;
  const FakeCluster::Seen& call = cluster_.seen[2];
  EXPECT_EQ(call.request.target, std::string(kProxy) + "/v1/proxies");
  EXPECT_EQ(call.headers, (KubernetesApi::Headers{{"x-tulle-token", "issued-secret"}}));
}

constexpr char kPods[] = "/api/v1/namespaces/tulle-system/pods";

// Three replicas of the control plane, of which `a` and `b` are ready.
class TwoReplicas : public TullectlInACluster {
 protected:
  TwoReplicas() {
    cluster_.script = [this](const k8s::Request& request) -> std::optional<ApiReply> {
      if (absl::StartsWith(request.target, std::string(kPods) + "?")) {
        const Json pods = {Pod("a", "True"), Pod("b", "True"), Pod("c", "False")};
        return ApiReply{200, Json{{"items", pods}}.dump()};
      }
      for (const std::string& pod : down)
        if (absl::StrContains(request.target, "/https:" + pod + ":"))
          return Refusal(503, "error trying to reach service: connection refused");
      const auto found = replies_.find(request.target);
      return found == replies_.end() ? Answer(request)
                                     : std::optional(ApiReply{200, found->second.dump()});
    };
  }
  std::vector<std::string> down;  // ready, as the API server still believes
  void Reply(const std::string& pod, const std::string& path, const Json& json) {
    replies_[std::string(kPods) + "/https:" + pod + ":15016/proxy" + path] = json;
  }
  void ReplyOfService(const std::string& path, const Json& json) {
    replies_[std::string(kProxy) + path] = json;
  }
  static Json Pod(const char* name, const char* ready) {
    return {{"metadata", {{"name", name}}},
            {"status", {{"conditions", {{{"type", "Ready"}, {"status", ready}}}}}}};
  }
  static Json Proxy(const char* name, bool is_connected) {
    return {{"name", name}, {"connected", is_connected}, {"message", std::string("shop/") + name}};
  }
  // A report of one failed check; `proxies`: those that fail it.
  static Json Failed(const std::vector<Json>& proxies) {
    return {{"ok", false},
            {"items",
             {{{"id", "proxies-connected"},
               {"name", "proxies connected"},
               {"ok", false},
               {"message", "not connected: shop/x"},
               {"passed", "all"},
               {"failed", "not connected:"},
               {"hint", "look"},
               {"proxies", proxies}}}}};
  }
  static Json List(const std::vector<Json>& items) { return {{"items", items}}; }

 private:
  std::map<std::string, Json> replies_;  // by target
};

// Each replica knows the state of the proxies that are connected to it.
TEST_F(TwoReplicas, ProxiesAreThoseOfAll) {
  Reply("a", "/v1/proxies", List({Proxy("x", true), Proxy("y", false)}));
  Reply("b", "/v1/proxies", List({Proxy("x", false), Proxy("y", true)}));
  Reply("a", "/v1/proxies/y", Proxy("y", false));
  Reply("b", "/v1/proxies/y", Proxy("y", true));
  Reply("b", "/v1/proxies/y/config/clusters", List({}));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"status"}, std::vector<std::string>{"get", "proxies"}}) {
    std::vector<std::string> command = words;
    command.insert(command.end(), {"-o", "json"});
    ASSERT_EQ(Run(command), 0) << err;
    const Json shown = Json::parse(out);
    ASSERT_EQ(shown["items"].size(), 2);
    EXPECT_EQ(shown["items"][0]["connected"], true);
    EXPECT_EQ(shown["items"][1]["connected"], true);
  }
  EXPECT_EQ(Run({"pc", "y", "clusters"}), 0) << err;
  EXPECT_NE(cluster_.seen.back().request.target.find("/https:b:15016/proxy/v1/proxies/y/config/"),
            std::string::npos)
      << cluster_.seen.back().request.target;
}

TEST_F(TwoReplicas, AProxyThatIsConnectedToAnotherReplicaIsNoProblem) {
  Reply("a", "/v1/check", Failed({Proxy("x", false)}));
  Reply("b", "/v1/check", {{"ok", true}, {"items", Json::array()}});
  Reply("a", "/v1/proxies", List({Proxy("x", false)}));
  Reply("b", "/v1/proxies", List({Proxy("x", true)}));
  EXPECT_EQ(Run({"check"}), 0) << out << err;
  EXPECT_NE(out.find("✓ proxies connected: all\n"), std::string::npos) << out;
}

TEST_F(TwoReplicas, WhatFailsAtOneReplicaFails) {
  Reply("a", "/v1/check", {{"ok", true}, {"items", Json::array()}});
  Reply("b", "/v1/check", Failed({Proxy("x", false), Proxy("y", true), Proxy("z", false)}));
  Reply("a", "/v1/proxies", List({Proxy("x", false), Proxy("z", true)}));
  Reply("b", "/v1/proxies", List({Proxy("x", false), Proxy("y", true)}));
  EXPECT_EQ(Run({"check"}), 1) << out << err;
  EXPECT_NE(out.find("× proxies connected: not connected: shop/x, shop/y\n    look\n"),
            std::string::npos)
      << out;
}

TEST_F(TwoReplicas, OneThatDoesNotAnswerIsNamedAndTheOthersCount) {
  down = {"b"};
  Reply("a", "/v1/proxies", List({Proxy("x", true)}));
  ASSERT_EQ(Run({"status", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["items"].size(), 1);
  EXPECT_EQ(err,
            "warning: b did not answer: error trying to reach service: connection refused; what "
            "its sidecars have told it alone is missing\n");
  Reply("a", "/v1/proxies/x", Proxy("x", true));
  Reply("a", "/v1/proxies/x/config/clusters", List({}));
  EXPECT_EQ(Run({"pc", "x", "clusters"}), 0) << err;
  // It cannot be known whether all is well.
  Reply("a", "/v1/check", {{"ok", true}, {"items", Json::array()}});
  EXPECT_EQ(Run({"check"}), 1) << out << err;
  EXPECT_NE(out.find("× replicas of tulle-control: no answer from b\n"), std::string::npos) << out;
}

TEST_F(TwoReplicas, NoneThatAnswersIsAnError) {
  down = {"a", "b"};
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"status"}, std::vector<std::string>{"pc", "x", "clusters"}}) {
    EXPECT_EQ(Run(words), 1) << out;
    EXPECT_NE(err.find("error: no replica of tulle-control answers"), std::string::npos) << err;
    EXPECT_EQ(err.find("warning: a did"), err.rfind("warning: a did")) << "once: " << err;
  }
}

TEST_F(TwoReplicas, ARefusalOfOneIsTheAnswer) {
  const auto script = cluster_.script;
  cluster_.script = [&](const k8s::Request& request) -> std::optional<ApiReply> {
    if (absl::StrContains(request.target, "/https:a:")) return Refusal(403, "no");
    return script(request);
  };
  EXPECT_EQ(Run({"status"}), 1) << out;
  EXPECT_NE(err.find("permission denied"), std::string::npos) << err;
}

TEST_F(TwoReplicas, ChecksOfWhatTheySharePassOnce) {
  const auto report = [](const char* message, bool is_good) {
    return Json{{"ok", is_good},
                {"items",
                 {{{"id", "root-rotation"},
                   {"name", "root rotation"},
                   {"ok", is_good},
                   {"message", message}}}}};
  };
  Reply("a", "/v1/check", report("not blocked", true));
  Reply("b", "/v1/check", report("not blocked", true));
  EXPECT_EQ(Run({"check"}), 0) << out << err;
  EXPECT_EQ(out.find("root rotation"), out.rfind("root rotation")) << out;
  Reply("b", "/v1/check", report("waits", false));
  EXPECT_EQ(Run({"check"}), 1) << out << err;
  EXPECT_NE(out.find("× root rotation: waits\n"), std::string::npos) << out;
}

TEST_F(TwoReplicas, OpenCircuitBreakersAreThoseThatProxiesOfAllReport) {
  const auto services = [](const Json& endpoint) {
    return Json{{"items",
                 {{{"name", "web"},
                   {"namespace", "shop"},
                   {"ports", {{{"number", 80}, {"endpoints", {endpoint}}}}}}}}};
  };
  Json seen = {{"address", "10.0.0.1"}, {"port", 80}};
  Reply("a", "/v1/services?namespace=shop", services(seen));
  const auto breakers = [&](const char* proxy, int64_t since) {
    seen["openBreakers"] = {
        {"count", 1}, {"proxies", {proxy}}, {"since", since}, {"reason", "refused"}};
    return services(seen);
  };
  Reply("b", "/v1/services?namespace=shop", breakers("x", 20));
  EXPECT_EQ(Run({"services"}), 0) << err;
  EXPECT_NE(out.find("circuit breaker open for 10.0.0.1:80 in x ("), std::string::npos) << out;
  Reply("a", "/v1/services?namespace=shop", breakers("y", 10));
  EXPECT_EQ(Run({"services", "-o", "json"}), 0) << err;
  const Json open = Json::parse(out)["items"][0]["ports"][0]["endpoints"][0]["openBreakers"];
  EXPECT_EQ(open["count"], 2) << out;
  EXPECT_EQ(open["proxies"], Json({"y", "x"})) << out;
  EXPECT_EQ(open["since"], 10) << out;
}

Json LinkOf(const char* source, const char* service, const char* by, int requests) {
  Json buckets = Json::array({requests});
  return {{"source", {{"namespace", "shop"}, {"name", source}, {"spiffeId", source}}},
          {"service", {{"namespace", "shop"}, {"name", service}}},
          {"destinations", Json::array()},
          {"protocol", "http"},
          {"reportedBy", by},
          {"requests", requests},
          {"failures", 1},
          {"mutualTls", requests},
          {"buckets", buckets},
          {"latencyMs", {{"p50", 1}}},
          {"outcomes", {{{"code", 503}, {"flags", "UH"}, {"count", 1}}}}};
}

TEST_F(TwoReplicas, TrafficIsThatOfTheSidecarsOfAll) {
  const std::string path = "/v1/traffic?window=60";
  Reply("a", path, {{"seconds", 60}, {"links", {LinkOf("web", "cart", "source", 540)}}});
  // The sidecars of the service, and another pod of the caller, are connected to the other one.
  Reply("b", path,
        {{"seconds", 62},
         {"links",
          {LinkOf("web", "cart", "source", 80), LinkOf("web", "cart-v2", "destination", 620),
           LinkOf("", "cart", "destination", 62)}}});
  EXPECT_EQ(Run({"edges"}), 0) << err;
  EXPECT_EQ(out,
            "CALLER     SERVICE     IDENTITY   PROTOCOL   MTLS   SUCCESS   RPS    P99\n"
            "unknown    cart.shop   -          http       yes    98.38%    1.0    0.5ms\n"
            "web.shop   cart.shop   -          http       yes    99.67%    10.0   0.5ms\n");
  EXPECT_EQ(Run({"stat", "-o", "wide"}), 0) << err;
  EXPECT_NE(out.find("503 UH (3)"), std::string::npos) << out;
  EXPECT_EQ(Run({"stat", "-o", "json"}), 0) << err;
  EXPECT_EQ(out.find("latencyMs"), std::string::npos) << out;
}

TEST_F(TwoReplicas, RequestsAreThoseThatSidecarsOfAllKnow) {
  const auto record = [](const char* proxy, bool is_outbound, const char* cause) {
    return Json{{"requestId", "id-1"},
                {"proxy", proxy},
                {"outbound", is_outbound},
                {"status", 403},
                {"startedMicros", 1000},
                {"cause", cause},
                {"source", "spiffe://m/ns/shop/sa/web"},
                {"destination", "spiffe://m/ns/shop/sa/cart"}};
  };
  const std::string path = "/v1/requests?id=id-1&limit=200";
  Reply("a", path, {{"asked", 2}, {"answered", 2}, {"requests", {record("web-1", true, "")}}});
  // A sidecar that has changed its replica.
  Reply("b", path,
        {{"asked", 3},
         {"answered", 2},
         {"requests", {record("cart-1", false, "denied"), record("web-1", true, "")}}});
  EXPECT_EQ(Run({"explain", "id-1"}), 0) << err;
  EXPECT_NE(out.find("2. cart.shop is called by web.shop"), std::string::npos) << out;
  EXPECT_EQ(out.find("\n3. "), std::string::npos) << out;
  EXPECT_NE(err.find("1 of 5 sidecars did not answer"), std::string::npos) << err;
  // As the dashboard asks.
  Reply("a", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  Reply("b", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  ReplyOfService("/dashboard/", "the page");
  Json page;
  serve_page = [&](const PageServing& serving) -> absl::StatusOr<int> {
    const auto reply = serving.forward({.path = "/v1/requests/id-1/explanation"});
    if (reply.ok()) page = Json::parse(reply->body, nullptr, false);
    return 0;
  };
  ASSERT_EQ(Run({"dashboard", "--no-open"}), 0) << err;
  EXPECT_EQ(page["hops"].size(), 2u) << page;
  EXPECT_EQ(page["hops"][1]["title"], "cart.shop is called by web.shop") << page;
  EXPECT_EQ(page["verdict"]["cause"], "denied") << page;
  EXPECT_EQ(page["asked"], 5) << page;
}

TEST_F(TwoReplicas, FailuresOfAllAreAddedUp) {
  const auto groups = [](int count, int64_t last, const char* id) {
    return Json{{"seconds", 3600},
                {"leftOut", 1},
                {"groups",
                 {{{"cause", "overflow"},
                   {"status", 503},
                   {"service", "cart.shop.svc.x"},
                   {"source", "spiffe://m/ns/shop/sa/web"},
                   {"count", count},
                   {"lastUnixMicros", last},
                   {"example", {{"requestId", id}}}}}}};
  };
  Reply("a", "/v1/failures?window=3600", groups(2, 2'000'000, "newer-1"));
  Reply("b", "/v1/failures?window=3600", groups(3, 1'000'000, "older-1"));
  EXPECT_EQ(Run({"errors"}), 0) << err;
  EXPECT_NE(out.find("\n5       503      overflow   web.shop   cart.shop"), std::string::npos)
      << out;
  EXPECT_NE(out.find("tullectl explain newer-1"), std::string::npos) << out;
  EXPECT_NE(err.find("2 more failures"), std::string::npos) << err;
}

TEST_F(TwoReplicas, RoutesAreAddedUp) {
  const auto links = [](std::vector<std::pair<const char*, int>> requests_of_route) {
    Json reply = {{"seconds", 60}, {"links", Json::array()}};
    for (const auto& [route, requests] : requests_of_route) {
      const Json cart = {{"namespace", "shop"}, {"name", "cart"}, {"host", "cart.shop.svc.x"}};
      const Json web = {{"namespace", "shop"}, {"name", "web"}, {"spiffeId", "spiffe://x/web"}};
      reply["links"].push_back({{"source", web},
                                {"service", cart},
                                {"backend", cart},
                                {"route", route},
                                {"protocol", "http"},
                                {"reportedBy", "source"},
                                {"destinations", {{{"spiffeId", "spiffe://x/ns/shop/sa/cart"}}}},
                                {"requests", requests},
                                {"failures", 0},
                                {"buckets", {requests}}});
    }
    return reply;
  };
  const std::string path = "/v1/traffic/routes?window=60";
  Reply("a", path, links({{"shop/a[0][0]", 60}, {"shop/b[0][0]", 60}}));
  Reply("b", path, links({{"shop/a[0][0]", 120}}));
  ASSERT_EQ(Run({"stat", "--by", "route"}), 0) << err;
  EXPECT_NE(out.find("cart.shop   shop/a[0][0]   cart.shop   100.00%   3.0"), std::string::npos)
      << out;
  EXPECT_NE(out.find("cart.shop   shop/b[0][0]   cart.shop   100.00%   1.0"), std::string::npos)
      << out;
  Reply("a", "/v1/traffic?window=60", links({{"", 60}}));
  Reply("b", "/v1/traffic?window=60", links({{"", 60}}));
  ASSERT_EQ(Run({"edges"}), 0) << err;
  EXPECT_NE(out.find("cart.shop   cart.shop   http"), std::string::npos)
      << "an identity is shown once: " << out;
}

TEST_F(TwoReplicas, ATapIsOpenAtAll) {
  const auto news = [](const char* id) {
    return Json{{"sidecars", 1}, {"leftOut", 0}, {"requests", {{{"requestId", id}}}}};
  };
  Reply("a", "/v1/taps", {{"id", "1-a"}});
  Reply("b", "/v1/taps", {{"id", "7-b"}});
  Reply("a", "/v1/taps/1-a", news("first"));
  Reply("b", "/v1/taps/7-b", news("second"));
  EXPECT_EQ(Run({"tap", "--requests", "2", "-o", "json"}), 0) << err;
  EXPECT_NE(out.find("first"), std::string::npos) << out;
  EXPECT_NE(out.find("second"), std::string::npos) << out;
  int ended = 0;
  for (const auto& seen : cluster_.seen) ended += seen.request.method == "DELETE" ? 1 : 0;
  EXPECT_EQ(ended, 2);
}

// The id of a tap may come from a browser.
TEST_F(TwoReplicas, ATapIdLeadsToReplicasOnly) {
  const k8s::Login login;
  std::ostringstream warnings;
  FakeKubernetes kubernetes(cluster_);
  ServiceProxy proxy(kubernetes, login, warnings);
  for (const char* id : {"c=1-a", "a=../evictions", "a=1-a/../../evictions", "a=..",
                         "a=", "a:9443/proxy/v1/evictions?x=1-a", "../../services/other=1-a"}) {
    cluster_.seen.clear();
    const auto reply = proxy.Send({"POST", std::string("/v1/taps/") + id});
    EXPECT_FALSE(reply.ok()) << id;
    for (const auto& seen : cluster_.seen)
      EXPECT_EQ(seen.request.target.find("/proxy"), std::string::npos) << id << seen.request.target;
  }
  Reply("a", "/v1/taps/1-a", {{"sidecars", 1}, {"leftOut", 0}, {"requests", Json::array()}});
  const auto reply = proxy.Send({"GET", "/v1/taps/a=1-a,c=1-b"});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 200);
}

TEST_F(TwoReplicas, ATraceHasTheSpansOfAll) {
  const auto span = [](const char* id, const char* parent) {
    return Json{{"spanId", id}, {"parentSpanId", parent}, {"name", id}, {"startUnixNano", "5"}};
  };
  Reply("a", "/v1/traces/ab12", {{"traceId", "ab12"}, {"spans", {span("child", "parent")}}});
  Reply("b", "/v1/traces/ab12", {{"traceId", "ab12"}, {"spans", {span("parent", "")}}});
  EXPECT_EQ(Run({"trace", "ab12"}), 0) << err;
  EXPECT_LT(out.find("parent"), out.find("child")) << out;
}

TEST_F(TwoReplicas, ASpanThatBothHaveIsShownOnce) {
  const Json span = {
      {"spanId", "one"}, {"reporter", "x"}, {"name", "only"}, {"startUnixNano", "5"}};
  Reply("a", "/v1/traces/ab12", {{"traceId", "ab12"}, {"spans", {span}}});
  Reply("b", "/v1/traces/ab12", {{"traceId", "ab12"}, {"spans", {span}}});
  ASSERT_EQ(Run({"trace", "ab12", "-o", "json"}), 0) << err;
  EXPECT_EQ(Json::parse(out)["spans"].size(), 1) << out;
}

Json ListedTrace(const char* id, bool is_root, const char* start, const char* end, const char* path,
                 const char* service) {
  return {{"traceId", id},
          {"startUnixNano", start},
          {"endUnixNano", end},
          {"first",
           {{"startUnixNano", start},
            {"isRoot", is_root},
            {"method", "GET"},
            {"path", path},
            {"status", "200"},
            {"error", false}}},
          {"error", false},
          {"services", {service}},
          {"spans", 2},
          {"sidecarMicros", 10}};
}

// As the dashboard asks. A replica has the spans of its sidecars alone: a condition is about all.
TEST_F(TwoReplicas, TracesAreSearchedInWhatAllKnow) {
  const auto list = [](std::vector<Json> traces) { return Json{{"traces", traces}}; };
  const std::string path = "/v1/traces?limit=1000";
  Reply("a", path,
        list({ListedTrace("split", true, "1000000", "9000000", "/shelf", "web"),
              ListedTrace("short", true, "1000000", "1500000", "/shelf", "web")}));
  Reply("b", path,
        list({ListedTrace("newest", true, "5000000", "20000000", "/other", "cart"),
              ListedTrace("split", false, "2000000", "8000000", "/other", "cart")}));
  Reply("a", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  Reply("b", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  ReplyOfService("/dashboard/", "the page");
  Json some;
  Json one;
  ApiReply refused;
  serve_page = [&](const PageServing& serving) -> absl::StatusOr<int> {
    const auto ask = [&](std::map<std::string, std::string> query) {
      const auto reply = serving.forward({"GET", "/v1/traces", std::move(query)});
      EXPECT_TRUE(reply.ok()) << reply.status();
      return *reply;
    };
    some = Json::parse(ask({{"service", "cart"}, {"path", "/shelf"}, {"minMs", "8"}}).body);
    one = Json::parse(ask({{"limit", "1"}}).body);
    refused = ask({{"limit", "abc"}});
    return 0;
  };
  EXPECT_EQ(Run({"dashboard", "--no-open"}), 0) << err;
  ASSERT_EQ(some["traces"].size(), 1) << some;
  EXPECT_EQ(some["traces"][0]["traceId"], "split");
  EXPECT_EQ(some["traces"][0]["spans"], 4);
  EXPECT_EQ(some["traces"][0]["sidecarMicros"], 20);
  EXPECT_EQ(some["traces"][0]["first"]["path"], "/shelf");
  EXPECT_EQ(some["matching"], 1);
  EXPECT_EQ(some["known"], 3);
  ASSERT_EQ(one["traces"].size(), 1) << one;
  EXPECT_EQ(one["traces"][0]["traceId"], "newest");
  EXPECT_EQ(one["matching"], 3);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("from 1 to 1000"), std::string::npos) << refused.body;
}

Json EventAt(const char* message, int64_t at, int count, bool of_all = false) {
  Json json = {{"type", "Normal"},
               {"reason", "R"},
               {"object", {{"kind", "Proxy"}, {"namespace", ""}, {"name", "x"}}},
               {"message", message},
               {"count", count},
               {"firstAt", at},
               {"lastAt", at}};
  if (of_all) json["ofAllReplicas"] = true;
  return json;
}

TEST_F(TwoReplicas, EventsAreMergedByTime) {
  Reply("a", "/v1/events?since=0",
        List({EventAt("first", 10, 1), EventAt("both", 20, 2), EventAt("all", 40, 3, true)}));
  Reply("b", "/v1/events?since=0",
        List({EventAt("both", 5, 5), EventAt("second", 15, 1), EventAt("all", 39, 3, true)}));
  ASSERT_EQ(Run({"events", "-o", "json"}), 0) << err;
  const Json items = Json::parse(out)["items"];
  ASSERT_EQ(items.size(), 4) << out;
  EXPECT_EQ(items[0]["message"], "first");
  EXPECT_EQ(items[1]["message"], "second");
  EXPECT_EQ(items[2]["message"], "both");
  EXPECT_EQ(items[2]["count"], 7);
  EXPECT_EQ(items[2]["firstAt"], 5);
  EXPECT_EQ(items[3]["count"], 3) << "each replica has seen the same";
}

TEST_F(TwoReplicas, EventsOfAClockThatIsLateAreShownOnce) {
  Reply("a", "/v1/events?since=0", List({EventAt("first", 1000, 1)}));
  Reply("b", "/v1/events?since=0", List({EventAt("old", 900, 1)}));
  Reply("a", "/v1/events?since=940", List({EventAt("first", 1000, 1)}));
  Reply("b", "/v1/events?since=940", List({EventAt("late", 950, 1)}));
  ASSERT_EQ(Run({"events", "--watch", "--count", "3", "-o", "json"}), 0) << err;
  std::vector<std::string> messages;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);)
    messages.push_back(Json::parse(line)["message"]);
  EXPECT_EQ(messages, (std::vector<std::string>{"old", "first", "late"})) << out;
}

TEST_F(TwoReplicas, TheirHistoriesAreAddedUpStepByStep) {
  const auto step = [](int64_t at, int requests) {
    return Json{{"at", at},
                {"requests", requests},
                {"failures", 1},
                {"buckets", {requests}},
                {"latencyMs", {{"p50", 1}}}};
  };
  const auto report = [](int64_t known_from, Json links) {
    return Json{{"step", 60},   {"from", 600},   {"steps", 2}, {"knownFrom", known_from},
                {"leftOut", 0}, {"links", links}};
  };
  const auto line = [](const char* source, const char* service, const char* by, Json steps) {
    Json link = LinkOf(source, service, by, 0);
    link["steps"] = std::move(steps);
    return link;
  };
  const std::string path = "/v1/traffic/history?service=cart";
  Reply("a", path, report(700, {line("web", "cart", "source", {step(600, 5), step(660, 7)})}));
  Reply("b", path,
        report(600, {line("web", "cart", "source", {step(660, 10)}),
                     line("web", "cart", "destination", {step(660, 99)})}));
  Reply("a", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  Reply("b", "/v1/traffic?window=1", {{"seconds", 1}, {"links", Json::array()}});
  ReplyOfService("/dashboard/", "the page");
  Json merged;
  serve_page = [&](const PageServing& serving) -> absl::StatusOr<int> {
    const auto reply =
        serving.forward({.path = "/v1/traffic/history", .query = {{"service", "cart"}}});
    if (reply.ok()) merged = Json::parse(reply->body);
    return reply.ok() ? 0 : 1;
  };
  ASSERT_EQ(Run({"dashboard"}), 0) << err;
  EXPECT_EQ(merged["knownFrom"], 600);
  ASSERT_EQ(merged["links"].size(), 1)
      << "what the service says of a caller that reports counts not";
  const Json& steps = merged["links"][0]["steps"];
  ASSERT_EQ(steps.size(), 2) << merged;
  EXPECT_EQ(steps[0]["requests"], 5);
  EXPECT_EQ(steps[1]["requests"], 17);
  EXPECT_EQ(steps[1]["failures"], 2);
  EXPECT_EQ(steps[1]["buckets"], Json({17}));
  EXPECT_FALSE(steps[1].contains("latencyMs"));
}

TEST_F(TullectlInACluster, ChangesTakeTheAdminsToken) {
  ASSERT_EQ(Run({"token", "create", "--service", "post", "-o", "raw"}), 0) << err;
  EXPECT_NE(cluster_.seen[0].request.target.find("/tulle-admin/token"), std::string::npos);
  EXPECT_EQ(cluster_.seen[1].request.method, "POST");
}

TEST_F(TullectlInACluster, OneTokenIsEnoughForACommand) {
  ASSERT_EQ(Run({"get", "namespaces"}), 0) << err;
  int tokens = 0;
  for (const auto& seen : cluster_.seen) tokens += absl::EndsWith(seen.request.target, "/token");
  EXPECT_EQ(tokens, 1);
  EXPECT_GT(cluster_.seen.size(), 2);
}

TEST_F(TullectlInACluster, EachRefusalNamesTheMissingRight) {
  struct Case {
    int status;
    bool at_token;
    const char* error;
    const char* hint;
  };
  const Case cases[] = {
      {403, true, "you may not request a token of the service account tulle-system/tulle-viewer",
       "kubectl auth can-i create serviceaccounts/tulle-viewer --subresource=token"},
      {404, true, "Tulle is not installed in this cluster", "tullectl install"},
      {403, false, "you may not call tulle-control through the API server",
       "kubectl auth can-i get services/https:tulle-control:https-api --subresource=proxy"},
      {503, false, "the API server cannot reach tulle-control: words", "get pods"},
  };
  for (const Case& each : cases) {
    cluster_.script = [&](const k8s::Request& request) -> std::optional<ApiReply> {
      if (absl::EndsWith(request.target, "/token") != each.at_token) return Answer(request);
      return Refusal(each.status, "words");
    };
    EXPECT_EQ(Run({"status"}), 1);
    EXPECT_NE(err.find(each.error), std::string::npos) << err;
    EXPECT_NE(err.find(each.hint), std::string::npos) << err;
    EXPECT_NE(err.find("context here of " + kubeconfig_), std::string::npos) << err;
    EXPECT_EQ(err.find("issued-secret"), std::string::npos);
  }
}

TEST_F(TullectlInACluster, TheNamespaceIsThatOfTheContext) {
  ASSERT_EQ(Run({"services"}), 0) << err;
  EXPECT_NE(cluster_.seen.back().request.target.find("?namespace=shop"), std::string::npos)
      << cluster_.seen.back().request.target;
}

TEST_F(TullectlInACluster, ContextsOfBothFilesAreKnown) {
  EXPECT_EQ(Run({"status", "--context", "her"}), 1);
  EXPECT_NE(err.find("context her not found in"), std::string::npos) << err;
  EXPECT_NE(err.find("did you mean"), std::string::npos) << err;
  EXPECT_EQ(Run({"status", "--context", "gone"}), 1);
  EXPECT_NE(err.find("user \"nobody\" not found"), std::string::npos) << err;
  ASSERT_EQ(Run({"config", "set-context", "near", "--credential-file", admin_}), 0) << err;
  ASSERT_EQ(Run({"config", "get-contexts", "-o", "name"}), 0);
  EXPECT_EQ(out, "near\nhere\ngone\n");
  // tullectl's own current context comes first, unless a cluster is named.
  cluster_.seen.clear();
  ASSERT_EQ(Run({"status"}), 0) << err;
  EXPECT_TRUE(cluster_.seen.empty());
  ASSERT_EQ(Run({"status", "--context", "here"}), 0) << err;
  EXPECT_FALSE(cluster_.seen.empty());
  cluster_.seen.clear();
  ASSERT_EQ(Run({"status", "--kubeconfig", kubeconfig_}), 0) << err;
  EXPECT_FALSE(cluster_.seen.empty());
}

TEST_F(TullectlInACluster, TheCurrentContextIsThatOfTheKubeconfigUntilOneIsChosen) {
  const auto current = [this] {
    EXPECT_EQ(Run({"config", "current-context"}), 0) << err;
    return out;
  };
  EXPECT_EQ(current(), "here\n");
  ASSERT_EQ(Run({"config", "get-contexts"}), 0) << err;
  EXPECT_NE(out.find("*         here   (a cluster)   shop"), std::string::npos) << out;
  // Of a cluster too.
  EXPECT_EQ(Run({"config", "use-context", "gone"}), 0) << err;
  EXPECT_EQ(out, "Switched to context \"gone\" of the kubeconfig.\n");
  EXPECT_EQ(current(), "gone\n");
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_NE(err.find("user \"nobody\" not found"), std::string::npos) << err;
  ASSERT_EQ(Run({"status", "--context", "here"}), 0) << err;
  ASSERT_EQ(Run({"status", "--kubeconfig", kubeconfig_}), 0) << err;
  EXPECT_EQ(Run({"config", "unset", "current-context"}), 0) << err;
  EXPECT_EQ(current(), "here\n");
  ASSERT_EQ(Run({"status"}), 0) << err;
}

TEST_F(TullectlInACluster, ContextsOfTheKubeconfigAreChangedByKubectl) {
  EXPECT_EQ(Run({"config", "set-context", "new", "--kubeconfig", kubeconfig_}), 1);
  EXPECT_NE(err.find("which tullectl does not change\nhint: use `kubectl config set-context new`"),
            std::string::npos)
      << err;
  EXPECT_EQ(Run({"config", "set-context", "new", "-n", "shop"}), 1);
  EXPECT_NE(err.find("--credential-file or --server is required"), std::string::npos) << err;
  EXPECT_EQ(Run({"config", "delete-context", "here"}), 1);
  EXPECT_NE(err.find("`kubectl config delete-context here`"), std::string::npos) << err;
  ASSERT_EQ(Run({"config", "get-contexts", "-o", "name"}), 0);
  EXPECT_EQ(out, "here\ngone\n");
}

TEST_F(TullectlInACluster, AKubeconfigThatIsNamedMustExist) {
  kubeconfig_ = "/nope";
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_EQ(err,
            "error: kubeconfig /nope of $KUBECONFIG not found\n"
            "hint: set $KUBECONFIG to a file that exists, unset it to use ~/.kube/config, or pass "
            "--kubeconfig FILE\n");
  EXPECT_EQ(Run({"config", "current-context"}), 1);
  EXPECT_NE(err.find("/nope"), std::string::npos) << err;
}

TEST_F(TullectlInACluster, WhatAClusterDoesInsteadIsNamed) {
  const std::vector<std::vector<std::string>> commands = {
      {"history"}, {"history", "rp", "a"}, {"rollback"}, {"backup", folder_ + "/copy"}};
  for (const auto& command : commands) {
    EXPECT_EQ(Run(command), 1) << command[0];
    EXPECT_NE(err.find(command[0] + " is not supported through a cluster's API server"),
              std::string::npos)
        << err;
    EXPECT_NE(err.find("in Git"), std::string::npos) << err;
  }
  for (const char* verb : {"create", "delete"}) {
    EXPECT_EQ(Run({"credential", verb, "ci"}), 1);
    EXPECT_NE(err.find("create rolebinding NAME --role=tulle-viewer"), std::string::npos) << err;
  }
  EXPECT_TRUE(cluster_.seen.empty());
  EXPECT_EQ(Run({"token", "create", "--service", "post", "-o", "raw"}), 0);
  EXPECT_NE(err.find("warning: pods need no join token"), std::string::npos) << err;
  EXPECT_EQ(out.find("warning"), std::string::npos) << out;
}

TEST_F(TullectlInACluster, TheNamespaceMayStandBeforeTheCommand) {
  ASSERT_EQ(Run({"-n", "blog", "services"}), 0) << err;
  EXPECT_NE(cluster_.seen.back().request.target.find("?namespace=blog"), std::string::npos);
  ASSERT_EQ(Run({"--namespace=blog", "--context", "here", "services"}), 0) << err;
  EXPECT_NE(cluster_.seen.back().request.target.find("?namespace=blog"), std::string::npos);
  EXPECT_EQ(Run({"-n", "B!", "services"}), 1);
  EXPECT_NE(err.find("invalid namespace"), std::string::npos) << err;
  EXPECT_EQ(Run({"-n", "blog", "servics"}), 1);
  EXPECT_NE(err.find("unknown command \"servics\" for tullectl\nhint: did you mean services?"),
            std::string::npos)
      << err;
}

TEST_F(TullectlInACluster, TwoDestinationsAreRefused) {
  EXPECT_EQ(Run({"status", "--kubeconfig", kubeconfig_, "--server", "a:1"}), 1);
  EXPECT_NE(err.find("--kubeconfig cannot be used with --server"), std::string::npos) << err;
}

constexpr char kPolicy[] =
    "apiVersion: tulle.dev/v1alpha1\nkind: ResiliencePolicy\nmetadata: {name: a, labels: {tier: "
    "web}}\n"
    "spec: {targetRef: {kind: Service, name: web}, timeouts: {request: 1s}}\n";

// The objects of an API server that applies what it gets.
class PoliciesInACluster : public TullectlInACluster {
 protected:
  PoliciesInACluster() {
    policy_ = Write("policy.yaml", kPolicy);
    cluster_.script = [this](const k8s::Request& request) { return Serve(request); };
  }
  std::optional<ApiReply> Serve(const k8s::Request& request) {
    if (request.target == "/apis/tulle.dev/v1alpha1")
      return ApiReply{200, R"({"resources":[{"name":"resiliencepolicies"}]})"};
    if (request.method == "PATCH") {
      if (patched.status != 200) return patched;
      Json object = Json::parse(request.body);
      object["metadata"]["generation"] = 1;
      object["metadata"]["managedFields"] = Json::array({1});
      if (request.target.find("dryRun") == std::string::npos) stored = object;
      return ApiReply{200, object.dump()};
    }
    if (stored.is_null()) return std::nullopt;
    if (request.method == "DELETE") return stored = Json(), ApiReply{200, "{}"};
    Json shown = stored;
    if (!verdict.is_null()) shown["status"]["conditions"] = Json::array({verdict});
    if (absl::EndsWith(request.target, "policies"))
      return ApiReply{200, Json({{"items", {shown}}}).dump()};
    return ApiReply{200, shown.dump()};
  }
  static Json Condition(const char* status, const char* reason, const char* message) {
    return {{"type", "Accepted"},
            {"status", status},
            {"reason", reason},
            {"message", message},
            {"observedGeneration", 1}};
  }

  std::string policy_;
  Json stored;
  Json verdict = Condition("True", "Accepted", "");
  ApiReply patched{200, ""};
};

TEST_F(PoliciesInACluster, ApplyIsServerSideApplyAndWaitsForTheVerdict) {
  verdict = Json();
  int pauses = 0;
  on_pause = [&] {
    if (++pauses == 3) verdict = Condition("True", "Accepted", "");
  };
  ASSERT_EQ(Run({"apply", "-f", policy_}), 0) << err;
  EXPECT_EQ(out, "resiliencepolicy/a created\n");
  EXPECT_EQ(pauses, 3);
  EXPECT_EQ(stored["metadata"]["labels"]["tier"], "web") << "what the user wrote";
  std::vector<std::string> targets;
  for (const auto& seen : cluster_.seen)
    if (seen.request.method == "PATCH") targets.push_back(seen.request.target);
  const std::string path = "/apis/tulle.dev/v1alpha1/namespaces/shop/resiliencepolicies/a";
  EXPECT_EQ(targets, (std::vector<std::string>{path + "?fieldManager=tullectl&dryRun=All",
                                               path + "?fieldManager=tullectl"}));
  ASSERT_EQ(Run({"apply", "-f", policy_}), 0) << err;
  EXPECT_EQ(out, "resiliencepolicy/a unchanged\n");
  ASSERT_EQ(Run({"apply", "-f", policy_, "--force-conflicts"}), 0) << err;
  EXPECT_TRUE(absl::EndsWith(cluster_.seen[cluster_.seen.size() - 2].request.target, "force=true"));
}

TEST(VerdictTest, ARouteWithAMissingBackendIsInForce) {
  const auto route = [](const char* accepted, const char* resolved) {
    Json conditions = Json::array();
    for (const auto& [type, status] : {std::pair("Accepted", accepted), {"ResolvedRefs", resolved}})
      conditions.push_back({{"type", type},
                            {"status", status},
                            {"reason", std::string(type) + status},
                            {"observedGeneration", 1}});
    return Json{
        {"metadata", {{"generation", 1}}},
        {"status",
         {{"parents",
           {{{"controllerName", "tulle.dev/mesh-controller"}, {"conditions", conditions}}}}}}};
  };
  using State = Verdict::State;
  EXPECT_EQ(VerdictOf(route("True", "True")).state, State::kAccepted);
  EXPECT_EQ(VerdictOf(route("True", "False")).state, State::kIncomplete);
  EXPECT_EQ(VerdictOf(route("True", "False")).reason, "ResolvedRefsFalse");
  EXPECT_EQ(VerdictOf(route("False", "False")).state, State::kRefused);
  EXPECT_EQ(VerdictOf(route("False", "False")).reason, "AcceptedFalse");
}

TEST_F(PoliciesInACluster, WhatIsNotInForceFails) {
  verdict = Condition("False", "Conflicted", "an older policy defines the same");
  EXPECT_EQ(Run({"apply", "-f", policy_}), 1);
  EXPECT_NE(err.find("resiliencepolicy/a is stored, but not accepted: Conflicted: an older"),
            std::string::npos)
      << err;
  EXPECT_EQ(Run({"get", "rp"}), 0);
  EXPECT_NE(out.find("False: Conflicted"), std::string::npos) << out;
  verdict = Json();
  int pauses = 0;
  on_pause = [&] { ++pauses; };
  EXPECT_EQ(Run({"apply", "-f", policy_}), 0);
  EXPECT_NE(err.find("warning: resiliencepolicy/a is stored; tulle-control has not said"),
            std::string::npos)
      << err;
  EXPECT_EQ(pauses, 25) << "5 s";
}

TEST_F(PoliciesInACluster, NothingIsAppliedIfTheApiServerRefusesOne) {
  const struct {
    int status;
    const char* hint;
  } cases[] = {{403, "kubectl auth can-i patch resiliencepolicies.tulle.dev -n shop"},
               {404, "kubectl create namespace shop"},
               {409, "--force-conflicts"},
               {422, "nothing was applied: "}};
  for (const auto& each : cases) {
    patched = Refusal(each.status, "words");
    EXPECT_EQ(Run({"apply", "-f", policy_}), 1);
    EXPECT_NE(err.find("policy.yaml:1: the API server refused: words"), std::string::npos) << err;
    EXPECT_NE(err.find(each.hint), std::string::npos) << err;
  }
  EXPECT_TRUE(stored.is_null());
}

TEST_F(PoliciesInACluster, AKindThatIsNotServedIsNamed) {
  EXPECT_EQ(Run({"get", "hr"}), 1);
  EXPECT_NE(err.find("does not serve httproutes of gateway.networking.k8s.io/v1"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("install the Gateway API"), std::string::npos) << err;
}

TEST_F(PoliciesInACluster, DiffGetAndDelete) {
  EXPECT_EQ(Run({"diff", "-f", policy_}), 1);
  EXPECT_NE(out.find("+  name: a"), std::string::npos) << out;
  ASSERT_EQ(Run({"apply", "-f", policy_}), 0) << err;
  EXPECT_EQ(Run({"diff", "-f", policy_}), 0) << out;
  ASSERT_EQ(Run({"get", "all", "-A"}), 0) << err;
  EXPECT_NE(out.find("resiliencepolicy/a"), std::string::npos) << out;
  EXPECT_NE(out.find("True"), std::string::npos) << out;
  ASSERT_EQ(Run({"get", "rp", "a", "-o", "yaml"}), 0) << err;
  EXPECT_EQ(out.find("managedFields"), std::string::npos) << out;
  ASSERT_EQ(Run({"delete", "rp", "a"}), 0) << err;
  EXPECT_EQ(out, "resiliencepolicy/a deleted in namespace shop\n");
  EXPECT_EQ(Run({"delete", "rp", "a"}), 1);
  EXPECT_NE(err.find("not found: resiliencepolicy/a"), std::string::npos) << err;
  EXPECT_EQ(Run({"get", "rp", "a"}), 1);
  EXPECT_NE(err.find("resiliencepolicy/a not found in namespace shop"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
