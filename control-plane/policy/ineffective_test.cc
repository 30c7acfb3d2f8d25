#include "control-plane/policy/ineffective.h"

#include <gtest/gtest.h>

#include "control-plane/policy/parse.h"
#include "control-plane/policy/route_precedence.h"

namespace tulle::policy {
namespace {

KnownServices Services() {
  return {{{"default", "post"}, {{{80, Protocol::kHttp}, {9090, Protocol::kGrpc}}}},
          {{"default", "cache"}, {{{6379, Protocol::kTcp}}}},
          {{"shop", "cart"}, {{{80, Protocol::kHttp}}}}};
}

std::string Tulle(const std::string& kind, const std::string& name, const std::string& spec) {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name +
         "}\nspec: " + spec + "\n";
}

std::string Route(const std::string& parent, const std::string& rule) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
         "spec: {parentRefs: [{kind: Service, " +
         parent + "}], rules: [" + rule + "]}\n";
}

std::vector<Ineffective> Find(const std::string& yaml) {
  const ParsedFile parsed = ParseDocuments(yaml, "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems);
  PolicySet set;
  for (const Document& document : parsed.documents) set.Upsert(document);
  return FindIneffective(set, Services());
}

TEST(Ineffective, NothingIsReportedWhenEverythingIsFound) {
  EXPECT_TRUE(Find(Route("name: post, port: 80", "{backendRefs: [{name: post, port: 9090}]}") +
                   Tulle("ResiliencePolicy", "a", "{targetRef: {kind: Service, name: post}}") +
                   Tulle("PeerAuthentication", "b", "{targetRef: {kind: Mesh}, mode: STRICT}") +
                   Tulle("PeerAuthentication", "c", "{targetRef: {kind: Namespace}, mode: STRICT}"))
                  .empty());
}

std::string NamedRoute(const std::string& kind, const std::string& name,
                       const std::string& parent) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
         "\nmetadata: {name: " + name + "}\nspec: {parentRefs: [{kind: Service, " + parent +
         "}], rules: [{}]}\n";
}

TEST(Ineffective, ARouteWithoutAPortLeftIsReported) {
  const std::string http = NamedRoute("HTTPRoute", "h", "name: post");
  EXPECT_TRUE(Find(http + NamedRoute("GRPCRoute", "g", "name: post, port: 9090")).empty())
      << "port 80 is left";
  EXPECT_TRUE(Find(http + NamedRoute("HTTPRoute", "i", "name: post")).empty()) << "merged";
  const auto found = Find(http + NamedRoute("GRPCRoute", "g", "name: post"));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(ToText(found[0]),
            "HTTPRoute default/h: spec.parentRefs[0]: no effect: GRPCRoute default/g takes "
            "precedence on every port of Service default/post; remove one of the two, or bind them "
            "to different ports");
}

// 300 merged routes of a Service with many ports.
TEST(Ineffective, EachPortIsLookedUpOnce) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += NamedRoute("HTTPRoute", "h" + std::to_string(i), "name: post");
  }
  PolicySet set;
  for (const Document& each : ParseDocuments(text, "", "default").documents) set.Upsert(each);
  const PolicyIndex index(set);
  RoutePrecedence precedence(index);
  for (const auto& [key, document] : set.documents()) {
    EXPECT_TRUE(precedence.Of({"default", "post"}, 80, "default").contains(key));
  }
  EXPECT_EQ(precedence.lookups(), 1u);
  EXPECT_TRUE(Find(text).empty());
}

TEST(Ineffective, OfOnePolicyABoundedNumberIsReported) {
  std::string backends;
  for (int i = 0; i < 16; ++i) {
    backends += "{kind: Service, name: b" + std::to_string(i) + ", port: 80}, ";
  }
  std::string rules;
  for (int i = 0; i < 16; ++i) rules += "{backendRefs: [" + backends + "]}, ";
  const auto found = Find(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
      "spec: {parentRefs: [{kind: Service, name: post}], rules: [" +
      rules + "]}\n");
  EXPECT_EQ(found.size(), kMostIneffective);
}

TEST(Ineffective, UnknownTargetsAreReportedWithASimilarName) {
  const auto found =
      Find(Tulle("AuthorizationPolicy", "a",
                 "{targetRef: {kind: Service, name: pots}, action: DENY, rules: [{}]}"));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(
      ToText(found[0]),
      "AuthorizationPolicy default/a: spec.targetRef: Service default/pots not found; did you "
      "mean post? fix the name, or ignore this if the Service is not deployed yet");
}

TEST(Ineffective, AServiceOfAnotherNamespaceIsSuggested) {
  const auto found =
      Find(Tulle("ResiliencePolicy", "a", "{targetRef: {kind: Service, name: cart}}"));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].hint,
            "namespace shop has a Service of that name: set metadata.namespace to it");
}

TEST(Ineffective, ParentsBackendsAndMirrorsOfARouteAreLookedUp) {
  const auto found = Find(Route(
      "name: nobody",
      "{}, {filters: [{type: RequestMirror, requestMirror: {backendRef: {name: pots, port: 80}}}],"
      " backendRefs: [{name: post, port: 80}, {name: post, port: 81}, {name: zzz, port: 80}]}"));
  ASSERT_EQ(found.size(), 4);
  EXPECT_EQ(found[0].field, "spec.parentRefs[0]");
  EXPECT_EQ(found[1].field, "spec.rules[1].backendRefs[1].port");
  EXPECT_EQ(found[1].message, "Service default/post has no port 81");
  EXPECT_EQ(found[1].hint, "its ports: 80, 9090");
  EXPECT_EQ(found[2].field, "spec.rules[1].backendRefs[2]");
  EXPECT_EQ(found[3].field, "spec.rules[1].filters");
}

std::vector<std::string> FieldsOf(const std::vector<Ineffective>& found) {
  std::vector<std::string> fields;
  for (const Ineffective& each : found) fields.push_back(each.field);
  return fields;
}

TEST(Ineffective, FieldsForRequestsAreReportedOnTcpServices) {
  const std::string all =
      "timeouts: {connect: 1s, request: 1s, perTry: 1s, idle: 1s}, retries: {attempts: 1}, "
      "limits: {perClientMaxConnections: 1, perClientMaxRequests: 1}, "
      "loadBalancing: consistentHash, hashOn: {header: x}, "
      "pools: {idleTimeout: 1s, maxRequestsPerConnection: 1, maxConnectionAge: 1s, "
      "perClientMaxIdleConnections: 1}, rateLimit: {requests: 1}, fault: {delay: {fixed: 1s}}, "
      "breaker: {openFor: 1s}, targetRef: {kind: Service, name: ";
  const auto found = Find(Tulle("ResiliencePolicy", "a", "{" + all + "cache}}"));
  EXPECT_EQ(FieldsOf(found),
            (std::vector<std::string>{
                "spec.timeouts.request", "spec.timeouts.perTry", "spec.timeouts.idle",
                "spec.retries", "spec.limits.perClientMaxRequests", "spec.hashOn.header",
                "spec.pools.idleTimeout", "spec.pools.maxRequestsPerConnection",
                "spec.pools.maxConnectionAge", "spec.rateLimit", "spec.fault"}));
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].message,
            "no effect: all ports of Service default/cache are tcp and carry no requests");
  EXPECT_TRUE(Find(Tulle("ResiliencePolicy", "a", "{" + all + "post}}")).empty());
  EXPECT_TRUE(Find(Tulle("ResiliencePolicy", "a",
                         "{loadBalancing: consistentHash, hashOn: {sourceIp: true}, targetRef: "
                         "{kind: Service, name: cache}}"))
                  .empty());
}

TEST(Ineffective, RoutesOfTcpServicesAreReported) {
  EXPECT_EQ(FieldsOf(Find(Route("name: cache", "{}"))),
            std::vector<std::string>{"spec.parentRefs[0]"});
  EXPECT_EQ(FieldsOf(Find(Route("name: cache, port: 6379", "{}"))),
            std::vector<std::string>{"spec.parentRefs[0]"});
}

TEST(Ineffective, FieldsWithoutEffectBesideARedirectAreReported) {
  EXPECT_EQ(FieldsOf(Find(Route("name: post",
                                "{filters: [{type: RequestRedirect, requestRedirect: {port: 1}}, "
                                "{type: RequestMirror, requestMirror: {backendRef: {name: post, "
                                "port: 80}}}], timeouts: {request: 1s}, retry: {attempts: 1}}"))),
            (std::vector<std::string>{"spec.rules[0].filters", "spec.rules[0].timeouts",
                                      "spec.rules[0].retry"}));
}

TEST(Ineffective, AuthorizationByMethodOnTcpAndUnknownPortsAreReported) {
  const auto rules = [](const std::string& action, const std::string& name, const std::string& to) {
    return Find(Tulle("AuthorizationPolicy", "a",
                      "{targetRef: {kind: Service, name: " + name + "}, action: " + action +
                          ", rules: [{to: {" + to + "}}]}"));
  };
  const auto allow = rules("ALLOW", "cache", "methods: [GET]");
  ASSERT_EQ(FieldsOf(allow), std::vector<std::string>{"spec.rules[0].to.methods"});
  EXPECT_EQ(allow[0].message,
            "tcp connections have no methods and paths: this rule allows nothing");
  const auto deny = rules("DENY", "cache", "paths: [/a]");
  ASSERT_EQ(FieldsOf(deny), std::vector<std::string>{"spec.rules[0].to.paths"});
  EXPECT_EQ(deny[0].message,
            "tcp connections have no methods and paths: this rule denies every connection");
  EXPECT_EQ(FieldsOf(rules("DENY", "post", "ports: [80, 81]")),
            std::vector<std::string>{"spec.rules[0].to.ports"});
  EXPECT_TRUE(rules("ALLOW", "post", "methods: [GET], ports: [80]").empty());
}

TEST(Ineffective, HostNamesOfServicesAreReported) {
  const auto found = Find(Tulle("ExternalService", "a",
                                "{hosts: [api.example, post, cart.shop], ports: [{number: 80, "
                                "protocol: http}]}"));
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[0].message, "\"post\" is a name of Service default/post, which takes precedence");
  EXPECT_EQ(found[1].message,
            "\"cart.shop\" is a name of Service shop/cart, which takes precedence");
}

TEST(Ineffective, NamespacesWithoutWorkloadsAreReported) {
  const auto found = Find(
      "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: "
      "nowhere}\nspec: {targetRef: {kind: Namespace}, mode: STRICT}\n");
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].policy, (DocumentKey{Kind::kPeerAuthentication, "nowhere", "a"}));
}

}  // namespace
}  // namespace tulle::policy
