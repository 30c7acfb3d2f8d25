#include "control-plane/discovery/vip_book.h"

#include <gtest/gtest.h>

#include "control-plane/store/sqlite_store.h"

namespace tulle::discovery {
namespace {

using store::Collection;

constexpr int64_t kDay = 24 * 3600;

class VipBookTest : public testing::Test {
 protected:
  VipBookTest()
      : store_(*store::SqliteStore::Open(":memory:")), book_(*VipBook::Open(store_.get())) {}

  std::map<std::string, std::string> Assign(const std::set<std::string>& hosts, int64_t now) {
    const absl::Status status = book_->Assign(hosts, now);
    EXPECT_TRUE(status.ok()) << status;
    return book_->addresses();
  }
  void Restart() { book_ = *VipBook::Open(store_.get()); }

  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<VipBook> book_;
};

TEST_F(VipBookTest, AHostKeepsItsAddressWhateverComesAndGoes) {
  const auto first = Assign({"b", "c"}, 1);
  EXPECT_EQ(first.at("b"), "240.240.0.1");
  EXPECT_EQ(first.at("c"), "240.240.0.2");
  EXPECT_EQ(Assign({"a", "b", "c"}, 2).at("a"), "240.240.0.3");
  Restart();
  const auto later = Assign({"a", "c", "d"}, 3);
  EXPECT_EQ(later.at("a"), "240.240.0.3");
  EXPECT_EQ(later.at("c"), "240.240.0.2");
  EXPECT_EQ(later.at("d"), "240.240.0.4");
  EXPECT_FALSE(later.contains("b"));
  Restart();
  EXPECT_EQ(Assign({"b", "d"}, 10 * kDay).at("b"), "240.240.0.1") << "gone, and back much later";
}

TEST_F(VipBookTest, NothingIsWrittenWhenNothingChanged) {
  Assign({"a"}, 1);
  const int64_t revision = *store_->RevisionOf(Collection::kVip);
  Assign({"a"}, 2);
  EXPECT_EQ(*store_->RevisionOf(Collection::kVip), revision);
}

TEST_F(VipBookTest, AnAddressGoesToAnotherHostOnlyADayAfterItsOwnIsGone) {
  std::set<std::string> hosts;
  for (int i = 0; i < 65534; ++i) hosts.insert("h" + std::to_string(i));
  const auto all = Assign(hosts, 1);
  std::set<std::string> distinct;
  for (const auto& [host, address] : all) distinct.insert(address);
  EXPECT_EQ(distinct.size(), 65534);
  EXPECT_TRUE(distinct.contains("240.240.255.254"));
  EXPECT_FALSE(distinct.contains("240.240.0.0"));

  const std::string freed = all.at("h7");
  hosts.erase("h7");
  Assign(hosts, 100);
  hosts.insert("new");
  const absl::Status refused = book_->Assign(hosts, 100 + kDay - 1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(book_->addresses().contains("new"));
  EXPECT_EQ(book_->addresses().at("h8"), all.at("h8")) << "the others keep theirs";
  EXPECT_EQ(Assign(hosts, 100 + kDay).at("new"), freed);
  hosts.insert("h7");
  EXPECT_FALSE(book_->Assign(hosts, 100 + kDay).ok()) << "taken: two hosts never share";
}

TEST_F(VipBookTest, ADamagedStoreGivesNoTwoHostsOneAddress) {
  store::Transaction damage("test", 1);
  damage.Put(Collection::kVip, "a", R"({"address":"240.240.0.9","removedAt":0})");
  damage.Put(Collection::kVip, "b", R"({"address":"240.240.0.9","removedAt":0})");
  damage.Put(Collection::kVip, "c", R"({"address":"10.0.0.1","removedAt":0})");
  damage.Put(Collection::kVip, "d", "{");
  ASSERT_TRUE(store_->Commit(damage).ok());
  Restart();
  EXPECT_EQ(book_->damaged().size(), 3);
  const auto addresses = Assign({"a", "b", "c", "d"}, 2);
  EXPECT_EQ(addresses.at("a"), "240.240.0.9");
  std::set<std::string> distinct;
  for (const auto& [host, address] : addresses) {
    EXPECT_TRUE(address.starts_with("240.240.")) << address;
    distinct.insert(address);
  }
  EXPECT_EQ(distinct.size(), 4);
}

TEST_F(VipBookTest, WhatCannotBeWrittenIsNotGiven) {
  Assign({"a"}, 1);
  ASSERT_TRUE(store_->LimitPagesForTest(1).ok());
  std::set<std::string> many = {"a"};
  for (int i = 0; i < 20000; ++i) many.insert("much-" + std::to_string(i));
  EXPECT_FALSE(book_->Assign(many, 2).ok());
  EXPECT_EQ(book_->addresses(), (std::map<std::string, std::string>{{"a", "240.240.0.1"}}));
}

}  // namespace
}  // namespace tulle::discovery
