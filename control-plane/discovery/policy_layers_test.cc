#include "control-plane/discovery/policy_layers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "control-plane/discovery/live_mesh.h"

namespace tulle::discovery {
namespace {

policy::Document RouteFrom(const std::string& name, const std::string& service) {
  policy::Document document;
  document.key = {policy::Kind::kHttpRoute, "shop", name};
  policy::HttpRoute route;
  route.parents = {{{"shop", service}, {}}};
  document.spec = route;
  return document;
}

policy::PolicySet SetOf(std::initializer_list<policy::Document> documents) {
  policy::PolicySet set;
  for (const policy::Document& document : documents) set.Upsert(document);
  return set;
}

// NAME:SERVICE of what changed; NAME: for one that has gone.
std::string TextOf(const PolicyChanges& changes) {
  std::string text;
  for (const auto& [key, document] : changes) {
    text += (text.empty() ? "" : " ") + key.name + ":";
    if (document == nullptr) continue;
    text += std::get<policy::HttpRoute>(document->spec).parents[0].service.name;
  }
  return text;
}

TEST(PolicyLayers, TheClustersPolicyIsInForceWhereBothHaveOne) {
  PolicyLayers layers;
  const auto put = [&](const char* name, const char* service) {
    layers.PutOfCluster(std::make_shared<const policy::Document>(RouteFrom(name, service)));
  };
  layers.SetStored(SetOf({RouteFrom("a", "stored"), RouteFrom("b", "stored")}));
  EXPECT_EQ(TextOf(layers.TakeChanges()), "a:stored b:stored");
  put("a", "cluster");
  put("c", "cluster");
  EXPECT_EQ(TextOf(layers.TakeChanges()), "a:cluster c:cluster");
  // Below the cluster's it has no effect.
  layers.SetStored(SetOf({RouteFrom("a", "new")}));
  EXPECT_EQ(TextOf(layers.TakeChanges()), "b:");
  layers.RemoveOfCluster({policy::Kind::kHttpRoute, "shop", "a"});
  layers.RemoveOfCluster({policy::Kind::kHttpRoute, "shop", "c"});
  layers.RemoveOfCluster({policy::Kind::kHttpRoute, "shop", "unknown"});
  EXPECT_EQ(TextOf(layers.TakeChanges()), "a:new c:");
  EXPECT_EQ(TextOf(layers.TakeChanges()), "");
}

TEST(PolicyLayers, WhatIsSharedWithTheFormerSetIsNoChange) {
  policy::PolicySet set = SetOf({RouteFrom("a", "x"), RouteFrom("b", "x")});
  PolicyLayers layers;
  layers.SetStored(set);
  layers.TakeChanges();
  set.Upsert(RouteFrom("b", "y"));
  layers.SetStored(set);
  EXPECT_EQ(TextOf(layers.TakeChanges()), "b:y");
}

TEST(PolicyLayers, AChangeTouchesTheServicesOfItsRoutesAlone) {
  LiveMesh mesh("cluster.local", "");
  PolicyLayers layers;
  layers.SetStored(SetOf({RouteFrom("a", "one"), RouteFrom("b", "two")}));
  mesh.ChangePolicies(layers.TakeChanges());
  mesh.TakeChanges();
  layers.PutOfCluster(std::make_shared<const policy::Document>(RouteFrom("a", "three")));
  mesh.ChangePolicies(layers.TakeChanges());
  const MeshChanges changes = mesh.TakeChanges();
  EXPECT_TRUE(changes.routes);
  EXPECT_TRUE(changes.services.contains({"shop", "one"}));  // its route has gone
  EXPECT_TRUE(changes.services.contains({"shop", "three"}));
  EXPECT_FALSE(changes.services.contains({"shop", "two"}));
  EXPECT_FALSE(mesh.services().contains({"shop", "one"}));
  mesh.ChangePolicies({});
  EXPECT_FALSE(mesh.TakeChanges().policies);
}

}  // namespace
}  // namespace tulle::discovery
