#include "control-plane/policy/policy_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

PolicySet Parse(const std::string& text) {
  const ParsedFile parsed = ParseDocuments(text, "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems) << text;
  PolicySet set;
  for (const Document& document : parsed.documents) set.Upsert(document);
  return set;
}

std::string Policy(const std::string& kind, const std::string& name, const std::string& target,
                   const std::string& rest, const std::string& ns = "default") {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {targetRef: " + target + ", " + rest + "}\n";
}

std::string Route(const std::string& name, const std::string& parent,
                  const std::string& kind = "HTTPRoute") {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
         "\nmetadata: {name: " + name + "}\nspec: {parentRefs: [{kind: Service, " + parent +
         "}], rules: [{backendRefs: [{name: backend, port: 80}]}]}\n";
}

std::string NamesOf(const std::vector<const Document*>& documents) {
  std::string names;
  for (const Document* document : documents) names += document->key.name;
  return names;
}

TEST(PolicyIndex, RoutesForThePortWinOverRoutesForAllPorts) {
  const PolicySet set = Parse(Route("a", "name: post, port: 80") + Route("b", "name: post") +
                              Route("c", "name: post, port: 80") + Route("d", "name: post"));
  const PolicyIndex index(set);
  EXPECT_EQ(NamesOf(index.RoutesOf({"default", "post"}, 80)), "ac");
  EXPECT_EQ(NamesOf(index.RoutesOf({"default", "post"}, 81)), "bd");
  EXPECT_EQ(NamesOf(index.RoutesOf({"other", "post"}, 80)), "");
}

TEST(PolicyIndex, GrpcRoutesWinOverHttpRoutesOnTheirPorts) {
  const PolicySet set =
      Parse(Route("a", "name: post, port: 80") + Route("b", "name: post") +
            Route("g", "name: post, port: 80", "GRPCRoute") +
            Route("h", "name: user", "GRPCRoute") + Route("i", "name: user, port: 80"));
  const PolicyIndex index(set);
  EXPECT_EQ(NamesOf(index.RoutesOf({"default", "post"}, 80)), "g");
  EXPECT_EQ(NamesOf(index.RoutesOf({"default", "post"}, 81)), "b");
  EXPECT_EQ(NamesOf(index.RoutesOf({"default", "user"}, 80)), "h");
}

TEST(PolicyIndex, ConsumerRoutesAreForCallersInTheirNamespaceAndWinThere) {
  const auto consumer = [](const std::string& name, const std::string& parent) {
    std::string text = Route(name, parent + ", namespace: default");
    return text.replace(text.find("{name: " + name), 7 + name.size(),
                        "{name: " + name + ", namespace: shop");
  };
  const PolicySet set = Parse(Route("a", "name: post") + consumer("b", "name: post, port: 80") +
                              consumer("c", "name: post, port: 80") +
                              Policy("ResiliencePolicy", "p", "{kind: Service, name: post}",
                                     "limits: {perClientMaxRequests: 3}"));
  const PolicyIndex index(set);
  const ServiceName post = {"default", "post"};
  EXPECT_EQ(NamesOf(index.RoutesOf(post, 80)), "a");
  EXPECT_EQ(NamesOf(index.RoutesOf(post, 80, "other")), "a");
  EXPECT_EQ(NamesOf(index.RoutesOf(post, 80, "shop")), "bc");
  EXPECT_EQ(NamesOf(index.RoutesOf(post, 81, "shop")), "a") << "they are for port 80";
  EXPECT_EQ(index.ConsumersOf(post), std::set<std::string>{"shop"});
  EXPECT_EQ(index.ResilienceOf({"shop", "backend"}), nullptr) << "of a consumer's backend";
}

TEST(PolicyIndex, ABackendInheritsTheResilienceOfTheServiceAboveIt) {
  const PolicySet set = Parse(Route("a", "name: post") +
                              Policy("ResiliencePolicy", "p", "{kind: Service, name: post}",
                                     "limits: {perClientMaxRequests: 3}"));
  const PolicyIndex index(set);
  EXPECT_NE(index.OwnResilienceOf({"default", "post"}), nullptr);
  EXPECT_EQ(index.OwnResilienceOf({"default", "backend"}), nullptr);
  EXPECT_EQ(index.ResilienceOf({"default", "backend"}), index.OwnResilienceOf({"default", "post"}));
  EXPECT_EQ(index.ResilienceOf({"default", "auth"}), nullptr);
}

TEST(PolicyIndex, ABackendOfAnotherNamespaceInheritsNothing) {
  std::string route = Route("a", "name: post");
  const std::string backend = "name: backend,";
  route.replace(route.find(backend), backend.size(), "name: backend, namespace: other,");
  const PolicySet set = Parse(route + Policy("ResiliencePolicy", "p", "{kind: Service, name: post}",
                                             "limits: {perClientMaxRequests: 3}"));
  EXPECT_EQ(PolicyIndex(set).ResilienceOf({"other", "backend"}), nullptr);
}

TEST(PolicyIndex, TheMostSpecificMtlsModeWins) {
  const PolicySet set =
      Parse(Policy("PeerAuthentication", "a", "{kind: Mesh}", "mode: STRICT") +
            Policy("PeerAuthentication", "b", "{kind: Namespace}", "mode: PERMISSIVE") +
            Policy("PeerAuthentication", "c", "{kind: Service, name: post}", "mode: STRICT"));
  const PolicyIndex index(set);
  EXPECT_EQ(index.MtlsModeOf({"default", "post"}), MtlsMode::kStrict);
  EXPECT_EQ(index.MtlsModeOf({"default", "auth"}), MtlsMode::kPermissive);
  EXPECT_EQ(index.MtlsModeOf({"other", "auth"}), MtlsMode::kStrict);
  EXPECT_EQ(PolicyIndex(PolicySet()).MtlsModeOf({"default", "post"}), MtlsMode::kPermissive);
  EXPECT_EQ(PolicyIndex(PolicySet()).PeerAuthenticationOf({"default", "post"}), nullptr);
  EXPECT_EQ(
      &std::get<PeerAuthentication>(index.PeerAuthenticationOf({"default", "auth"})->spec).mode !=
          nullptr,
      true);
}

TEST(PolicyIndex, TheMostSpecificEgressPolicyWins) {
  const PolicySet set = Parse(
      Policy("EgressPolicy", "a", "{kind: Mesh}", "unknownDestinations: DENY") +
      Policy("EgressPolicy", "b", "{kind: Namespace}", "unknownDestinations: ALLOW") +
      Policy("EgressPolicy", "c", "{kind: Service, name: post}", "unknownDestinations: DENY"));
  const PolicyIndex index(set);
  EXPECT_EQ(index.EgressDenialOf({"default", "post"})->key.name, "c");
  EXPECT_EQ(index.EgressDenialOf({"default", "auth"}), nullptr);
  EXPECT_EQ(index.EgressDenialOf({"default", ""}), nullptr);
  EXPECT_EQ(index.EgressDenialOf({"other", "auth"})->key.name, "a");
  EXPECT_EQ(PolicyIndex(PolicySet()).EgressDenialOf({"default", "post"}), nullptr);
}

TEST(PolicyIndex, TheMostSpecificTelemetryWins) {
  const PolicySet set = Parse(
      Policy("TelemetryPolicy", "a", "{kind: Mesh}", "tracing: {sampling: 1}") +
      Policy("TelemetryPolicy", "b", "{kind: Namespace}", "tracing: {sampling: 2}") +
      Policy("TelemetryPolicy", "c", "{kind: Service, name: post}", "tracing: {sampling: 3}"));
  const PolicyIndex index(set);
  const auto of = [&](const ServiceName& service) {
    return index.TelemetryOf(service)->tracing.sampling;
  };
  EXPECT_EQ(of({"default", "post"}), 3);
  EXPECT_EQ(of({"default", "auth"}), 2);
  EXPECT_EQ(of({"default", ""}), 2);
  EXPECT_EQ(of({"other", "post"}), 1);
  EXPECT_EQ(of({"", ""}), 1);
  EXPECT_EQ(PolicyIndex(PolicySet()).TelemetryOf({"default", "post"}), nullptr);
}

TEST(PolicyIndex, AuthorizationsAreThoseOfTheServiceAndOfItsNamespaceInOrder) {
  const std::string allow = "action: ALLOW, rules: [{from: {namespaces: [shop]}}]";
  const std::string deny = "action: DENY, rules: [{from: {namespaces: [shop]}}]";
  const PolicySet set =
      Parse(Policy("AuthorizationPolicy", "a", "{kind: Service, name: post}", allow) +
            Policy("AuthorizationPolicy", "b", "{kind: Namespace}", allow) +
            Policy("AuthorizationPolicy", "c", "{kind: Service, name: post}", deny) +
            Policy("AuthorizationPolicy", "d", "{kind: Service, name: auth}", allow) +
            Policy("AuthorizationPolicy", "e", "{kind: Namespace}", allow, "other"));
  const PolicyIndex index(set);
  const auto of = [&](const ServiceName& service) {
    std::string names;
    for (const Document* document : index.AuthorizationsOf(service)) names += document->key.name;
    return names;
  };
  EXPECT_EQ(of({"default", "post"}), "abc");
  EXPECT_EQ(of({"default", "auth"}), "bd");
  EXPECT_EQ(of({"default", "none"}), "b");
  EXPECT_EQ(of({"other", "post"}), "e");
  EXPECT_EQ(of({"third", "post"}), "");
}

}  // namespace
}  // namespace tulle::policy
