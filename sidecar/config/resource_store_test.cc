#include "sidecar/config/resource_store.h"

#include <gtest/gtest.h>

namespace tulle::config {
namespace {

struct Spec {
  int value = 0;
};

class ResourceStoreTest : public testing::Test {
 protected:
  void Put(const std::string& name, int value, Origin origin = Origin::kDynamic,
           std::set<std::string> missing = {}) {
    Resource<Spec> resource;
    resource.bytes = std::to_string(value);
    resource.origin = origin;
    resource.accepted = std::make_shared<const Spec>(Spec{value});
    resource.missing = std::move(missing);
    store_.Put(name, std::move(resource));
  }
  void ActivateAll() {
    store_.Activate([](const auto&) { return true; });
  }
  // The value in force; 0: none.
  int Active(const std::string& name) {
    Snapshot::Table<Spec> table;
    store_.CopyActiveTo(table);
    const auto found = table.find(name);
    return found == table.end() ? 0 : found->second->value;
  }

  ResourceStore<Spec> store_;
};

TEST_F(ResourceStoreTest, TheFormerVersionStaysActiveUntilTheNewOneIsReady) {
  Put("a", 1);
  EXPECT_TRUE(store_.any_waits());
  ActivateAll();
  EXPECT_FALSE(store_.any_waits());
  Put("a", 2);
  EXPECT_EQ(Active("a"), 1);
  store_.Activate([](const auto& resource) { return resource.accepted->value != 2; });
  EXPECT_EQ(Active("a"), 1);
  EXPECT_TRUE(store_.any_waits());
  ActivateAll();
  EXPECT_EQ(Active("a"), 2);
  EXPECT_EQ(store_.Accepted("a")->value, 2);
}

TEST_F(ResourceStoreTest, AMissingSecretHoldsAResourceBack) {
  Put("a", 1, Origin::kDynamic, {"secret"});
  ActivateAll();
  EXPECT_EQ(Active("a"), 0);
}

TEST_F(ResourceStoreTest, OnlyEqualBytesAreHeld) {
  Put("a", 1);
  EXPECT_TRUE(store_.Holds("a", "1"));
  EXPECT_FALSE(store_.Holds("a", "2"));
  EXPECT_FALSE(store_.Holds("b", "1"));
}

TEST_F(ResourceStoreTest, StaticResourcesStay) {
  Put("file", 1, Origin::kStatic);
  Put("sent", 2);
  EXPECT_FALSE(store_.Remove("file"));
  EXPECT_TRUE(store_.RemoveUnless({}));
  EXPECT_TRUE(store_.contains("file"));
  EXPECT_FALSE(store_.contains("sent"));
  EXPECT_FALSE(store_.RemoveUnless({}));
}

TEST_F(ResourceStoreTest, NamesHaveOneOwner) {
  const FieldPath at(std::string_view("x"));
  Put("file", 1, Origin::kStatic);
  Put("sent", 2);
  EXPECT_FALSE(store_.CheckOwner("file", Origin::kStatic, at).ok());
  EXPECT_FALSE(store_.CheckOwner("file", Origin::kDynamic, at).ok());
  EXPECT_TRUE(store_.CheckOwner("sent", Origin::kDynamic, at).ok());
  EXPECT_TRUE(store_.CheckOwner("new", Origin::kStatic, at).ok());
}

TEST_F(ResourceStoreTest, AllActiveCountsAbsentNames) {
  Put("a", 1);
  EXPECT_FALSE(store_.AllActive({"a"}));
  ActivateAll();
  EXPECT_TRUE(store_.AllActive({"a"}));
  EXPECT_FALSE(store_.AllActive({"a", "b"}));
  EXPECT_TRUE(store_.AllActive({"a", "b"}, {"b"}));
}

}  // namespace
}  // namespace tulle::config
