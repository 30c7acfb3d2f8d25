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

constexpr char kNode[] = "192.0.2.1";

Counts CountsOf(const UnmeshedPods& pods) {
  return pods.Counts([](const std::string& address) { return address == kNode; });
}

TEST(UnmeshedPods, ThoseOfALabelledNamespaceCount) {
  UnmeshedPods pods;
  pods.Put({"shop", "old"}, PodWith("{}"));
  pods.Put({"shop", "old"}, PodWith(R"({"app":"web"})"));
  pods.Put({"other", "x"}, PodWith("{}"));
  EXPECT_EQ(CountsOf(pods), Counts());
  pods.SetNamespace("shop", true);
  pods.SetNamespace("empty", true);
  EXPECT_EQ(CountsOf(pods), (Counts{{"shop", 1}}));
  pods.Put({"shop", "older"}, PodWith("{}"));
  EXPECT_EQ(CountsOf(pods), (Counts{{"shop", 2}}));
  pods.Remove({"shop", "older"});
  pods.Remove({"shop", "unknown"});
  EXPECT_EQ(CountsOf(pods), (Counts{{"shop", 1}}));
  pods.SetNamespace("shop", false);
  EXPECT_EQ(CountsOf(pods), Counts());
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
  EXPECT_EQ(CountsOf(pods), Counts());
}

TEST(UnmeshedPods, ThoseOfTheHostsNetworkAndThoseThatHaveEndedDoNotCount) {
  UnmeshedPods pods;
  pods.SetNamespace("shop", true);
  Json agent = PodWith("{}");
  agent["cells"]["IP"] = kNode;
  pods.Put({"shop", "agent"}, agent);
  Json job = PodWith("{}");
  job["cells"]["IP"] = "10.0.0.1";
  pods.Put({"shop", "job"}, job);
  EXPECT_EQ(CountsOf(pods), (Counts{{"shop", 1}}));
  job["conditions"] = {{{"type", "Completed"}, {"status", "True"}, {"reason", "Succeeded"}}};
  pods.Put({"shop", "job"}, job);
  EXPECT_EQ(CountsOf(pods), Counts());
}

TEST(UnmeshedPods, NamespacesThatAreNeverInjectedDoNotCount) {
  UnmeshedPods pods;
  for (const char* ns : {"kube-system", "tulle-system"}) {
    pods.SetNamespace(ns, true);
    pods.Put({ns, "x"}, PodWith("{}"));
  }
  EXPECT_EQ(CountsOf(pods), Counts());
}

}  // namespace
}  // namespace tulle::kubernetes
