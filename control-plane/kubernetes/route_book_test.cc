// Routes, grants and Services of a cluster as policies and conditions.
#include "control-plane/kubernetes/route_book.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/recorded_mesh_for_test.h"

namespace tulle::kubernetes {
namespace {

constexpr char kNow[] = "2026-01-02T03:04:05Z";
constexpr policy::Kind kHttp = policy::Kind::kHttpRoute;

class RouteBookTest : public ::testing::Test {
 protected:
  RouteBookTest() {
    AddService({"shop", "web"}, {{"http", 80}, {"admin", 8080}});
    AddService({"shop", "web-v2"}, {{"http", 80}});
    AddService({"other", "api"}, {{"", 9000}});
  }

  void AddService(const ServiceName& name, const std::map<std::string, uint32_t>& ports) {
    ServiceFacts facts;
    for (const auto& [port, number] : ports) {
      facts.ports[port] = {number, Protocol::kHttp};
      facts.declared.ports[number] = Protocol::kHttp;
    }
    services_[name] = facts;
    book_.OnService(name);
  }
  // `parent` and `rules` are JSON.
  static Json RouteOf(const std::string& parent, const std::string& rules, int generation = 1) {
    return {{"metadata",
             {{"uid", "u1"},
              {"generation", generation},
              {"resourceVersion", absl::StrCat("r", generation)},
              {"creationTimestamp", "2026-01-01T00:00:00Z"},
              {"managedFields", {{{"manager", "kubectl"}}}}}},
            {"spec", {{"parentRefs", {Json::parse(parent)}}, {"rules", Json::parse(rules)}}}};
  }
  void Put(const Json& route, const std::string& name = "r") {
    book_.PutRoute(kHttp, {"shop", name}, route);
    book_.Update();
  }
  const policy::HttpRoute* Policy(const std::string& name = "r") const {
    const policy::Document* document = mesh_.policies.Find({kHttp, "shop", name});
    return document == nullptr ? nullptr : &std::get<policy::HttpRoute>(document->spec);
  }
  // "Accepted=REASON ResolvedRefs=REASON", with "!" before the reason of a condition that is false.
  std::string Conditions(const std::string& name = "r") const {
    const auto change = book_.StatusOf({kHttp, "shop", name}, kNow);
    if (!change || change->parents.empty()) return "";
    std::string text;
    for (const Json& each : change->parents.back()["conditions"]) {
      absl::StrAppend(&text, text.empty() ? "" : " ", each["type"].get<std::string>(), "=",
                      each["status"] == "True" ? "" : "!", each["reason"].get<std::string>());
    }
    return text;
  }
  std::string Message(size_t condition) const {
    const auto change = book_.StatusOf({kHttp, "shop", "r"}, kNow);
    return change->parents.back()["conditions"][condition]["message"];
  }

  std::map<ServiceName, ServiceFacts> services_;
  RecordedMesh mesh_;
  RouteBook book_{mesh_, [this](const ServiceName& name) {
                    const auto found = services_.find(name);
                    return found == services_.end() ? nullptr : &found->second;
                  }};
};

constexpr char kWeb[] = R"({"group":"","kind":"Service","name":"web"})";
constexpr char kToV2[] = R"([{"backendRefs":[{"group":"","kind":"Service","name":"web-v2",
    "port":80,"weight":1}],"matches":[{"path":{"type":"PathPrefix","value":"/"}}]}])";

TEST_F(RouteBookTest, ARouteBecomesAPolicy) {
  Put(RouteOf(kWeb, kToV2));
  ASSERT_NE(Policy(), nullptr);
  EXPECT_EQ(Policy()->parents, (std::vector<policy::ParentRef>{{{"shop", "web"}, {}}}));
  ASSERT_EQ(Policy()->rules.size(), 1u);
  EXPECT_EQ(Policy()->rules[0].backends,
            (std::vector<policy::BackendRef>{{{"shop", "web-v2"}, 80, 1}}));
  EXPECT_EQ(mesh_.policies.Find({kHttp, "shop", "r"})->created_at, 1767225600);
  EXPECT_EQ(Conditions(), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
  book_.RemoveRoute({kHttp, "shop", "r"});
  EXPECT_TRUE(book_.Update().has_changed);
  EXPECT_EQ(Policy(), nullptr);
}

TEST_F(RouteBookTest, WhatIsNotInForceSaysSoByTheWordsOfItsStatus) {
  using Texts = std::map<std::string, std::string>;
  Put(RouteOf(kWeb, kToV2));
  EXPECT_EQ(book_.Failing("Accepted"), Texts());
  EXPECT_EQ(book_.Failing("ResolvedRefs"), Texts());
  services_.erase({"shop", "web-v2"});
  book_.OnService({"shop", "web-v2"});
  book_.Update();
  EXPECT_EQ(book_.Failing("ResolvedRefs"),
            (Texts{{"HTTPRoute shop/r", "BackendNotFound: " + Message(1)}}));
  services_.erase({"shop", "web"});
  book_.OnService({"shop", "web"});
  book_.Update();
  EXPECT_EQ(book_.Failing("Accepted"),
            (Texts{{"HTTPRoute shop/r", "NoMatchingParent: Service shop/web not found"}}));
}

// Whoever may write routes for a Service must not make every request to it look through thousands.
TEST_F(RouteBookTest, TheNewestRoutesBeyondTheLimitAreNotInForce) {
  const auto name = [](size_t i) { return absl::StrCat("r", 1000 + i); };
  PolicyOutcome outcome;
  const auto put = [&](const std::string& route, const char* created) {
    Json object = RouteOf(kWeb, kToV2);
    object["metadata"]["uid"] = route;
    object["metadata"]["creationTimestamp"] = created;
    book_.PutRoute(kHttp, {"shop", route}, object);
    outcome = book_.Update();
  };
  for (size_t i = 0; i < kMostRoutesOfService; ++i) put(name(i), "2026-01-01T00:00:00Z");
  EXPECT_TRUE(outcome.refused.empty());
  put("one-more", "2026-01-02T00:00:00Z");
  EXPECT_EQ(
      outcome.refused,
      std::vector<std::string>{
          "HTTPRoute shop/one-more: Service shop/web has 128 older routes of namespace shop"});
  EXPECT_EQ(Conditions("one-more"), "Accepted=!TooManyRoutes ResolvedRefs=ResolvedRefs");
  EXPECT_EQ(Policy("one-more"), nullptr);
  EXPECT_EQ(mesh_.policies.documents().size(), kMostRoutesOfService);
  // An older one takes the place of the newest; two are looked at, not all.
  put("older", "2025-01-01T00:00:00Z");
  EXPECT_EQ(outcome.documents.size(), 2u);
  EXPECT_EQ(Conditions("older"), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
  EXPECT_EQ(Policy(name(kMostRoutesOfService - 1)), nullptr);
  for (const std::string& gone : {std::string("older"), name(0)}) {
    book_.RemoveRoute({kHttp, "shop", gone});
    outcome = book_.Update();
  }
  EXPECT_EQ(outcome.documents.size(), 1u);
  EXPECT_EQ(Conditions("one-more"), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
  EXPECT_EQ(mesh_.policies.documents().size(), kMostRoutesOfService);
}

struct Case {
  const char* parent;
  const char* rules;
  const char* conditions;
  const char* message;  // part of that of the condition that is false
};

TEST_F(RouteBookTest, WhatIsWrongBecomesACondition) {
  constexpr char kGood[] = "Accepted=Accepted ResolvedRefs=ResolvedRefs";
  constexpr char kUnsupported[] = "Accepted=!UnsupportedValue ResolvedRefs=ResolvedRefs";
  constexpr char kNoParent[] = "Accepted=!NoMatchingParent ResolvedRefs=ResolvedRefs";
  const Case cases[] = {
      {R"({"group":"","kind":"Service","name":"web","port":8080})", "[{}]", kGood, ""},
      {R"({"group":"","kind":"Service","name":"web","sectionName":"admin"})", "[{}]", kGood, ""},
      {R"({"group":"","kind":"Service","name":"web","port":80,"sectionName":"admin"})", "[{}]",
       kNoParent, "port 80 of Service shop/web is not named admin"},
      {R"({"group":"","kind":"Service","name":"web","port":81})", "[{}]", kNoParent,
       "Service shop/web has no TCP port 81"},
      {R"({"group":"","kind":"Service","name":"web","sectionName":"x"})", "[{}]", kNoParent,
       "Service shop/web has no TCP port named x"},
      {R"({"group":"","kind":"Service","name":"none"})", "[{}]", kNoParent,
       "Service shop/none not found"},
      {kWeb, R"([{"timeouts":{"request":"1s"},"new":1}])", kUnsupported,
       "spec.rules[0].new: unknown field"},
      {kWeb, R"([{"filters":[{"type":"ExtensionRef","extensionRef":{"name":"x"}}]}])", kUnsupported,
       "ExtensionRef"},
      {kWeb, R"([{"matches":[{"path":{"type":"RegularExpression","value":"(a"}}]}])", kUnsupported,
       "spec.rules[0].matches[0].path.value"},
      {kWeb, R"([{"matches":[{"headers":[{"name":"a","type":"RegularExpression",
          "value":"((((((((((a{99}){99}){99}){99}"}]}]}])",
       kUnsupported, "headers[0].value"},
      {kWeb, R"([{"backendRefs":[{"name":"gone","port":80}]}])",
       "Accepted=Accepted ResolvedRefs=!BackendNotFound",
       "spec.rules[0].backendRefs[0]: Service shop/gone not found"},
      {kWeb, R"([{"backendRefs":[{"name":"web","port":80},{"name":"web","port":1}]}])",
       "Accepted=Accepted ResolvedRefs=!BackendNotFound",
       "spec.rules[0].backendRefs[1]: Service shop/web has no TCP port 1"},
      {kWeb, R"([{"backendRefs":[{"group":"x.io","kind":"Bucket","name":"A_b"}]}])",
       "Accepted=Accepted ResolvedRefs=!InvalidKind", "x.io/Bucket is not supported"},
      {kWeb, R"([{"backendRefs":[{"name":"api","namespace":"other","port":9000}]}])",
       "Accepted=Accepted ResolvedRefs=!RefNotPermitted", "namespace other has no ReferenceGrant"},
      // Whether it exists is not told to those who may not know.
      {kWeb, R"([{"backendRefs":[{"name":"none","namespace":"other","port":9000}]}])",
       "Accepted=Accepted ResolvedRefs=!RefNotPermitted", "namespace other has no ReferenceGrant"},
      {kWeb, R"([{"filters":[{"type":"RequestMirror","requestMirror":
          {"backendRef":{"name":"gone","port":80}}}]}])",
       "Accepted=Accepted ResolvedRefs=!BackendNotFound",
       "spec.rules[0].filters[0].requestMirror.backendRef: Service shop/gone not found"},
      {kWeb, R"([{"filters":[{"type":"RequestMirror","requestMirror":
          {"backendRef":{"name":"web","port":80}}}]}])",
       kGood, ""},
      {kWeb, R"([{"backendRefs":[{"name":"web","port":80,"filters":[{"type":"RequestMirror",
          "requestMirror":{"backendRef":{"name":"web","port":80}}}]}]}])",
       kUnsupported, "RequestMirror"},
      {kWeb, R"("not a list")", kUnsupported, "spec.rules: expected a list"},
      {kWeb, R"([7])", kUnsupported, "spec.rules[0]: expected an object"},
  };
  int generation = 0;
  for (const Case& each : cases) {
    SCOPED_TRACE(absl::StrCat(each.parent, each.rules));
    Put(RouteOf(each.parent, each.rules, ++generation));
    EXPECT_EQ(Conditions(), each.conditions);
    const bool is_refused = absl::StartsWith(each.conditions, "Accepted=!");
    EXPECT_TRUE(absl::StrContains(Message(is_refused ? 0 : 1), each.message))
        << Message(is_refused ? 0 : 1);
    EXPECT_EQ(Policy() == nullptr, is_refused);
  }
}

TEST_F(RouteBookTest, AFaultyBackendTakesItsShareAndNoOther) {
  Put(RouteOf(kWeb, R"([{"backendRefs":[{"name":"gone","port":80,"weight":3},
      {"name":"web","port":80,"weight":2},{"kind":"Bucket","name":"b"}],
      "filters":[{"type":"RequestMirror","requestMirror":{"backendRef":{"name":"gone","port":80}}},
      {"type":"RequestMirror","requestMirror":{"backendRef":{"name":"web","port":80}}}]}])"));
  ASSERT_NE(Policy(), nullptr);
  const policy::RouteRule& rule = Policy()->rules[0];
  ASSERT_EQ(rule.backends.size(), 3u);
  EXPECT_EQ(rule.backends[0].invalid, "Service shop/gone not found");
  EXPECT_EQ(rule.backends[0].weight, 3u);
  EXPECT_EQ(rule.backends[1].invalid, "");
  EXPECT_EQ(rule.backends[2].invalid, "Bucket is not supported: use Service");
  ASSERT_EQ(rule.mirrors.size(), 2u);
  EXPECT_EQ(rule.mirrors[0].invalid, "Service shop/gone not found");
  EXPECT_EQ(rule.mirrors[1].invalid, "");
  EXPECT_EQ(rule.mirrors[1].service, (ServiceName{"shop", "web"}));
}

TEST_F(RouteBookTest, AGrpcRouteIsAPolicyToo) {
  const Json route = RouteOf(kWeb, R"([{"matches":[{"method":{"service":"a.B","method":"C"}}],
      "backendRefs":[{"name":"web-v2","port":80},{"name":"gone","port":80}]}])");
  book_.PutRoute(policy::Kind::kGrpcRoute, {"shop", "r"}, route);
  book_.Update();
  const policy::Document* document = mesh_.policies.Find({policy::Kind::kGrpcRoute, "shop", "r"});
  ASSERT_NE(document, nullptr);
  const policy::RouteRule& rule = std::get<policy::GrpcRoute>(document->spec).rules[0];
  EXPECT_EQ(rule.matches[0].rpc->service, "a.B");
  EXPECT_EQ(rule.backends[1].invalid, "Service shop/gone not found");
  // HTTPRoutes of the same name are others.
  EXPECT_EQ(Policy(), nullptr);
  book_.RemoveRoutes(policy::Kind::kGrpcRoute);
  book_.Update();
  EXPECT_TRUE(mesh_.policies.documents().empty());
}

TEST_F(RouteBookTest, ARouteForAServiceOfAnotherNamespaceNeedsNoGrant) {
  Put(RouteOf(R"({"group":"","kind":"Service","namespace":"other","name":"api"})", kToV2));
  EXPECT_EQ(Conditions(), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
  ASSERT_NE(Policy(), nullptr);
  EXPECT_EQ(Policy()->parents[0].service, (ServiceName{"other", "api"}));
  EXPECT_EQ(Policy()->rules[0].backends[0].service, (ServiceName{"shop", "web-v2"}));
  // Nor do requests that stay with that Service, and only these.
  AddService({"other", "private"}, {{"", 9000}});
  Put(RouteOf(R"({"group":"","kind":"Service","namespace":"other","name":"api"})",
              R"([{"backendRefs":[{"name":"api","namespace":"other","port":9000},
                  {"name":"private","namespace":"other","port":9000}]}])",
              2));
  EXPECT_EQ(Policy()->rules[0].backends[0].invalid, "");
  EXPECT_NE(Policy()->rules[0].backends[1].invalid, "");
}

// Its own Service has callers of any namespace, who must not be sent on.
TEST_F(RouteBookTest, ASecondParentIsNoGrant) {
  const std::string to_api =
      R"([{"backendRefs":[{"namespace":"other","name":"api","port":9000}]}])";
  for (const char* port : {"9000", "65535"}) {
    Json route = RouteOf(kWeb, to_api);
    const std::string api = absl::StrCat(
        R"({"group":"","kind":"Service","namespace":"other","name":"api","port":)", port, "}");
    route["spec"]["parentRefs"].push_back(Json::parse(api));
    Put(route, port);
    EXPECT_TRUE(absl::StrContains(Conditions(port), "ResolvedRefs=!RefNotPermitted")) << port;
    EXPECT_FALSE(Policy(port)->rules[0].backends[0].invalid.empty()) << port;
  }
}

TEST_F(RouteBookTest, GrantsComeAndGo) {
  Put(RouteOf(kWeb, R"([{"backendRefs":[{"name":"api","namespace":"other","port":9000}]}])"));
  EXPECT_NE(Policy()->rules[0].backends[0].invalid, "");
  const auto grant = [](const char* kind, const char* ns, const Json& to) {
    return Json{{"spec",
                 {{"from", {{{"group", kGatewayGroup}, {"kind", kind}, {"namespace", ns}}}},
                  {"to", {to}}}}};
  };
  const Json any{{"group", ""}, {"kind", "Service"}};
  const std::pair<Json, bool> grants[] = {
      {grant("HTTPRoute", "shop", any), true},
      {grant("GRPCRoute", "shop", any), false},
      {grant("HTTPRoute", "elsewhere", any), false},
      {grant("HTTPRoute", "shop", {{"group", ""}, {"kind", "Secret"}}), false},
      {grant("HTTPRoute", "shop", {{"group", ""}, {"kind", "Service"}, {"name", "api"}}), true},
      {grant("HTTPRoute", "shop", {{"group", ""}, {"kind", "Service"}, {"name", "b"}}), false},
      {Json{{"spec", {{"from", "all"}, {"to", 7}}}}, false},
  };
  for (const auto& [object, allows] : grants) {
    book_.PutGrant({"other", "g"}, object);
    book_.Update();
    EXPECT_EQ(Policy()->rules[0].backends[0].invalid.empty(), allows) << object;
    EXPECT_EQ(Policy()->rules[0].backends[0].service, (ServiceName{"other", "api"}));
  }
  // It counts in the namespace of the backend alone.
  book_.RemoveGrant({"other", "g"});
  book_.PutGrant({"shop", "g"}, grants[0].first);
  book_.Update();
  EXPECT_NE(Policy()->rules[0].backends[0].invalid, "");
}

TEST_F(RouteBookTest, ServicesComeAndGo) {
  services_.clear();
  Put(RouteOf(kWeb, kToV2));
  EXPECT_EQ(Policy(), nullptr);
  AddService({"shop", "web"}, {{"http", 80}});
  EXPECT_TRUE(book_.Update().has_changed);
  EXPECT_EQ(Conditions(), "Accepted=Accepted ResolvedRefs=!BackendNotFound");
  AddService({"shop", "web-v2"}, {{"http", 80}});
  book_.Update();
  EXPECT_EQ(Conditions(), "Accepted=Accepted ResolvedRefs=ResolvedRefs");
  services_.erase({"shop", "web"});
  book_.OnService({"shop", "web"});
  EXPECT_TRUE(book_.Update().has_changed);
  EXPECT_EQ(Policy(), nullptr);
}

TEST_F(RouteBookTest, AChangeCostsWhatItTouches) {
  Put(RouteOf(kWeb, kToV2));
  for (int i = 0; i < 100; ++i) {
    const std::string name = absl::StrCat("s", i);
    AddService({"shop", name}, {{"http", 80}});
    Put(RouteOf(absl::StrCat(R"({"group":"","kind":"Service","name":")", name, R"("})"), "[{}]"),
        name);
  }
  const int puts = mesh_.policy_puts;
  book_.OnService({"shop", "web"});
  EXPECT_EQ(book_.Update().documents, (std::vector<policy::DocumentKey>{{kHttp, "shop", "r"}}));
  EXPECT_EQ(mesh_.policy_puts, puts);  // nothing is different
  // What only we or another controller have written is no change either.
  Json route = RouteOf(kWeb, kToV2);
  route["metadata"]["resourceVersion"] = "later";
  route["status"]["parents"] = Json::array();
  book_.PutRoute(kHttp, {"shop", "r"}, route);
  EXPECT_FALSE(book_.Update().has_changed);
  EXPECT_EQ(mesh_.policy_puts, puts);
  EXPECT_EQ(book_.StatusOf({kHttp, "shop", "r"}, kNow)->version, "later");
}

TEST_F(RouteBookTest, RoutesForOthersAreLeftAlone) {
  Put(RouteOf(R"({"name":"gateway"})", R"([{"whatever":1}])"));
  EXPECT_EQ(Policy(), nullptr);
  EXPECT_FALSE(book_.StatusOf({kHttp, "shop", "r"}, kNow));
  Json both = RouteOf(kWeb, kToV2, 2);
  both["spec"]["parentRefs"].push_back({{"name", "gateway"}});
  both["spec"]["hostnames"] = {"www.example.org"};
  Put(both);
  EXPECT_EQ(Policy()->parents.size(), 1u);
  EXPECT_TRUE(Policy()->hostnames.empty());
  EXPECT_EQ(book_.StatusOf({kHttp, "shop", "r"}, kNow)->parents.size(), 1u);
}

TEST_F(RouteBookTest, EntriesOfOthersAndTimesAreKept) {
  Json route = RouteOf(kWeb, kToV2);
  Put(route);
  const Json first = book_.StatusOf({kHttp, "shop", "r"}, kNow)->parents;
  const Json others{{"controllerName", "x.io/c"}, {"parentRef", {{"name", "g"}}}};
  route["status"]["parents"] = {others, first[0]};
  Put(route);
  EXPECT_FALSE(book_.StatusOf({kHttp, "shop", "r"}, "later"));
  // The backend goes: one condition is another, and has another time.
  services_.erase({"shop", "web-v2"});
  book_.OnService({"shop", "web-v2"});
  book_.Update();
  Json now = book_.StatusOf({kHttp, "shop", "r"}, "later")->parents;
  ASSERT_EQ(now.size(), 2u);
  EXPECT_EQ(now[0], others);
  EXPECT_EQ(now[1]["conditions"][0], first[0]["conditions"][0]);
  EXPECT_EQ(now[1]["conditions"][1]["lastTransitionTime"], "later");
  EXPECT_EQ(first[0]["conditions"][1]["lastTransitionTime"], kNow);
  // It is not for us any more.
  route = RouteOf(R"({"name":"gateway"})", "[{}]", 2);
  route["status"]["parents"] = {others, first[0]};
  Put(route);
  now = book_.StatusOf({kHttp, "shop", "r"}, "later")->parents;
  EXPECT_EQ(now, Json::array({others}));
}

// Nothing is written again and again that the server gives back as it was written.
TEST_F(RouteBookTest, AStatusThatWasWrittenIsNotWrittenAgain) {
  const std::string hostile[] = {
      R"([{"matches":[{"method":"\u0000\u001b[2J"}]}])",
      absl::StrCat(R"([{"name":")", std::string(79, 'x'), "\u00e4", R"("}])"),
      absl::StrCat(R"([{"timeouts":{"request":")", std::string(79, '9'), "\u00e4\u00e4",
                   R"("}}])")};
  int generation = 0;
  for (const std::string& rules : hostile) {
    Json route = RouteOf(kWeb, rules, ++generation);
    Put(route);
    const auto change = book_.StatusOf({kHttp, "shop", "r"}, kNow);
    ASSERT_TRUE(change);
    route["status"]["parents"] = Json::parse(change->parents.dump());
    Put(route);
    EXPECT_FALSE(book_.StatusOf({kHttp, "shop", "r"}, "later")) << rules;
  }
}

// No server lets them pass; one that did would not harm us.
TEST_F(RouteBookTest, MoreThanTheSchemaAllows) {
  Json many = RouteOf(kWeb, "[]");
  for (int i = 0; i < 1000; ++i) {
    many["spec"]["rules"].push_back({{"backendRefs", {{{"name", "web"}, {"port", 80}}}}});
  }
  Put(many);
  EXPECT_EQ(Conditions(), "Accepted=!UnsupportedValue ResolvedRefs=ResolvedRefs");
  Json parents = RouteOf(kWeb, "[{}]", 2);
  for (int i = 0; i < 50; ++i) {
    parents["spec"]["parentRefs"].push_back(
        {{"group", ""}, {"kind", "Service"}, {"name", absl::StrCat("s", i)}});
  }
  Put(parents);
  const auto change = book_.StatusOf({kHttp, "shop", "r"}, kNow);
  EXPECT_EQ(change->parents.size(), 32u);
  parents["status"]["parents"] = change->parents;
  Put(parents);
  EXPECT_FALSE(book_.StatusOf({kHttp, "shop", "r"}, "later"));
  for (const char* broken : {"null", "7", "[]", R"({"spec":7})", R"({"spec":{"parentRefs":"x"}})",
                             R"({"metadata":{"generation":"x"},"spec":{"parentRefs":[null,7,[]]}})",
                             R"({"spec":{"parentRefs":[{"group":"","kind":"Service"}]}})"}) {
    Put(Json::parse(broken), "broken");
    EXPECT_EQ(Policy("broken"), nullptr) << broken;
  }
}

}  // namespace
}  // namespace tulle::kubernetes
