#include "control-plane/policy/policy_set.h"

#include <gtest/gtest.h>

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

std::string Peer(const std::string& name, const std::string& target, const std::string& mode) {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: " + name +
         "}\nspec: {targetRef: " + target + ", mode: " + mode + "}\n";
}

std::string Route(const std::string& name, const std::string& parent, const std::string& host) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " +
         name + "}\nspec: {parentRefs: [{kind: Service, " + parent + "}], hostnames: [" + host +
         "], rules: [{}]}\n";
}

std::vector<Document> Parse(const std::string& text) {
  ParsedFile parsed = ParseDocuments(text, "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems);
  return parsed.documents;
}

PolicySet SetOf(const std::vector<Document>& documents) {
  PolicySet set;
  for (const Document& document : documents) set.Upsert(document);
  return set;
}

TEST(PolicySet, ATargetHasOneOwnerAndTheWriterIsToldWhose) {
  PolicySet set = SetOf(Parse(Peer("first", "{kind: Mesh}", "STRICT")));
  const std::vector<Document> incoming = Parse(Peer("second", "{kind: Mesh}", "PERMISSIVE"));
  for (const Document& document : incoming) set.Upsert(document);
  const Problems problems = set.FindConflicts(incoming, "new.yaml");
  ASSERT_EQ(problems.size(), 1);
  EXPECT_EQ(problems[0].file, "new.yaml");
  EXPECT_EQ(problems[0].line, 2);
  EXPECT_EQ(problems[0].message,
            "PeerAuthentication default/first already defines the mTLS mode of the mesh");
}

TEST(PolicySet, TheBlameFallsOnTheIncomingWhateverItsName) {
  PolicySet set = SetOf(Parse(Peer("b", "{kind: Mesh}", "STRICT")));
  const std::vector<Document> incoming = Parse(Peer("a", "{kind: Mesh}", "PERMISSIVE"));
  for (const Document& document : incoming) set.Upsert(document);
  const Problems problems = set.FindConflicts(incoming, "f");
  ASSERT_EQ(problems.size(), 1);
  EXPECT_NE(problems[0].message.find("PeerAuthentication default/b"), std::string::npos);
}

TEST(PolicySet, ReplacingOnesOwnIsNoConflict) {
  PolicySet set = SetOf(Parse(Peer("a", "{kind: Mesh}", "STRICT")));
  const std::vector<Document> incoming = Parse(Peer("a", "{kind: Mesh}", "PERMISSIVE"));
  for (const Document& document : incoming) set.Upsert(document);
  EXPECT_TRUE(set.FindConflicts(incoming, "f").empty());
}

TEST(PolicySet, RoutesOfOneServiceAreMergedWhileAHostNameLeadsToOneService) {
  const std::vector<Document> merged = Parse(Route("a", "name: post, port: 80", "a.example") +
                                             Route("b", "name: post, port: 80", "a.example"));
  EXPECT_TRUE(SetOf(merged).FindConflicts(merged, "f").empty());
  const std::vector<Document> same_host =
      Parse(Route("a", "name: one", "a.example") + Route("b", "name: two", "a.example"));
  const Problems problems = SetOf(same_host).FindConflicts(same_host, "f");
  ASSERT_EQ(problems.size(), 1);
  EXPECT_EQ(problems[0].field, "spec.hostnames");
  EXPECT_EQ(problems[0].message, "HTTPRoute default/a already defines the host name a.example");
}

std::string Egress(const std::string& name, const std::string& target, const std::string& unknown) {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: " + name +
         "}\nspec: {targetRef: " + target + ", unknownDestinations: " + unknown + "}\n";
}

TEST(PolicySet, UnknownDestinationsHaveOneOwnerATarget) {
  const std::vector<Document> two =
      Parse(Egress("a", "{kind: Mesh}", "DENY") + Egress("b", "{kind: Mesh}", "ALLOW"));
  const Problems problems = SetOf(two).FindConflicts(two, "f");
  ASSERT_EQ(problems.size(), 1);
  EXPECT_NE(problems[0].message.find("unknown destinations of"), std::string::npos);
}

}  // namespace
}  // namespace tulle::policy
