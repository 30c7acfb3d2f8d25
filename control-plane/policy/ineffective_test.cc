#include "control-plane/policy/ineffective.h"

#include <gtest/gtest.h>

#include "control-plane/policy/parse.h"

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

TEST(Ineffective, WhatReachesAServiceIsNotNamed) {
  EXPECT_TRUE(Find(Route("name: post, port: 80", "{backendRefs: [{name: post, port: 9090}]}") +
                   Tulle("ResiliencePolicy", "a", "{targetRef: {kind: Service, name: post}}") +
                   Tulle("PeerAuthentication", "b", "{targetRef: {kind: Mesh}, mode: STRICT}") +
                   Tulle("PeerAuthentication", "c", "{targetRef: {kind: Namespace}, mode: STRICT}"))
                  .empty());
}

TEST(Ineffective, ATargetThatNobodyServesIsNamedWithTheNearest) {
  const auto found =
      Find(Tulle("AuthorizationPolicy", "a",
                 "{targetRef: {kind: Service, name: pots}, action: DENY, rules: [{}]}"));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(ToText(found[0]),
            "AuthorizationPolicy default/a: spec.targetRef: no workload serves Service "
            "default/pots; did you mean post? mend the name, or start a workload of that Service");
}

TEST(Ineffective, AServiceOfAnotherNamespaceIsPointedOut) {
  const auto found =
      Find(Tulle("ResiliencePolicy", "a", "{targetRef: {kind: Service, name: cart}}"));
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].hint, "there is one in namespace shop: set metadata.namespace to it");
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

TEST(Ineffective, ANamespaceWithoutWorkloadsIsNamed) {
  const auto found = Find(
      "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: "
      "nowhere}\nspec: {targetRef: {kind: Namespace}, mode: STRICT}\n");
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].policy, (DocumentKey{Kind::kPeerAuthentication, "nowhere", "a"}));
}

}  // namespace
}  // namespace tulle::policy
