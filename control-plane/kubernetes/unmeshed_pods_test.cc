#include "control-plane/kubernetes/unmeshed_pods.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::kubernetes {
namespace {

using Counts = std::map<std::string, size_t>;

Json PodWith(const std::string& labels) {
  Json pod;
  pod["metadata"]["labels"] = Json::parse(labels);
  return pod;
}

TEST(UnmeshedPods, ThoseOfALabelledNamespaceCount) {
  UnmeshedPods pods;
  pods.Put({"shop", "old"}, PodWith("{}"));
  pods.Put({"shop", "old"}, PodWith(R"({"app":"web"})"));
  pods.Put({"other", "x"}, PodWith("{}"));
  EXPECT_EQ(pods.Counts(), Counts());
  pods.SetNamespace("shop", true);
  pods.SetNamespace("empty", true);
  EXPECT_EQ(pods.Counts(), (Counts{{"shop", 1}}));
  pods.Put({"shop", "older"}, PodWith("{}"));
  EXPECT_EQ(pods.Counts(), (Counts{{"shop", 2}}));
  pods.Remove({"shop", "older"});
  pods.Remove({"shop", "unknown"});
  EXPECT_EQ(pods.Counts(), (Counts{{"shop", 1}}));
  pods.SetNamespace("shop", false);
  EXPECT_EQ(pods.Counts(), Counts());
}

TEST(UnmeshedPods, MeshedOnesThoseThatOptOutAndThoseThatEndDoNotCount) {
  UnmeshedPods pods;
  pods.SetNamespace("shop", true);
  pods.Put({"shop", "a"}, PodWith("{}"));
  pods.Put({"shop", "a"}, PodWith(R"({"tulle.dev/meshed":"true"})"));
  pods.Put({"shop", "b"}, PodWith(R"({"tulle.dev/inject":"disabled"})"));
  Json ending = PodWith("{}");
  ending["metadata"]["deletionTimestamp"] = "2026-11-23T04:00:00Z";
  pods.Put({"shop", "c"}, ending);
  EXPECT_EQ(pods.Counts(), Counts());
}

TEST(UnmeshedPods, NamespacesThatAreNeverInjectedDoNotCount) {
  UnmeshedPods pods;
  for (const char* ns : {"kube-system", "tulle-system"}) {
    pods.SetNamespace(ns, true);
    pods.Put({ns, "x"}, PodWith("{}"));
  }
  EXPECT_EQ(pods.Counts(), Counts());
}

}  // namespace
}  // namespace tulle::kubernetes
