#include "control-plane/discovery/policy_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "control-plane/policy/policy_index.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::discovery {
namespace {

using Action = PolicyChange::Action;

std::string Peer(const std::string& name, const std::string& service, const std::string& mode) {
  return "---\napiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: " + name +
         "}\nspec: {targetRef: {kind: Service, name: " + service + "}, mode: " + mode + "}\n";
}

class PolicyBookTest : public testing::Test {
 protected:
  PolicyBookTest()
      : store_(*store::SqliteStore::Open(":memory:")), book_(*PolicyBook::Open(store_.get())) {}

  ApplyOutcome ApplyOrDie(const std::string& yaml, bool is_dry_run = false) {
    auto outcome = book_->Apply({yaml, "f.yaml"}, is_dry_run, "ann", 1);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return *outcome;
  }

  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<PolicyBook> book_;
};

TEST_F(PolicyBookTest, OneBadDocumentAmongManyAppliesNothing) {
  std::string yaml;
  for (int i = 0; i < 20; ++i) {
    yaml += Peer("p" + std::to_string(i), "s" + std::to_string(i), i == 11 ? "STRCIT" : "STRICT");
  }
  const ApplyOutcome outcome = ApplyOrDie(yaml);
  ASSERT_EQ(outcome.problems.size(), 1);
  EXPECT_EQ(outcome.problems[0].line, 5 * 12);
  EXPECT_TRUE(book_->policies().documents().empty());
  EXPECT_TRUE(store_->List(store::Collection::kPolicy)->empty());
  EXPECT_EQ(book_->revision(), 0);
}

TEST_F(PolicyBookTest, AConflictAppliesNothing) {
  ApplyOrDie(Peer("a", "post", "STRICT"));
  const ApplyOutcome outcome =
      ApplyOrDie(Peer("z", "auth", "STRICT") + Peer("b", "post", "PERMISSIVE"));
  ASSERT_EQ(outcome.problems.size(), 1);
  EXPECT_EQ(book_->policies().documents().size(), 1);
}

TEST_F(PolicyBookTest, APolicyKeepsTheTimeOfItsCreation) {
  const policy::DocumentKey key{policy::Kind::kPeerAuthentication, "default", "a"};
  const auto apply = [&](const std::string& mode, int64_t now) {
    ASSERT_TRUE(book_->Apply({Peer("a", "post", mode), "f.yaml"}, false, "ann", now).ok());
  };
  apply("STRICT", 10);
  apply("PERMISSIVE", 20);
  EXPECT_EQ(book_->policies().Find(key)->created_at, 10);
  EXPECT_EQ((*PolicyBook::Open(store_.get()))->policies().Find(key)->created_at, 10);
  ASSERT_TRUE(book_->Delete({key}, false, "ann", 30).ok());
  apply("STRICT", 40);
  EXPECT_EQ(book_->policies().Find(key)->created_at, 40);
}

TEST_F(PolicyBookTest, ChangesAreNamedAndVersioned) {
  EXPECT_EQ(ApplyOrDie(Peer("a", "post", "STRICT")).changes[0].action, Action::kCreated);
  const int64_t revision = book_->revision();
  EXPECT_EQ(ApplyOrDie(Peer("a", "post", "STRICT")).changes[0].action, Action::kUnchanged);
  EXPECT_EQ(book_->revision(), revision);
  const ApplyOutcome dry = ApplyOrDie(Peer("a", "post", "PERMISSIVE"), true);
  EXPECT_EQ(dry.changes[0].action, Action::kChanged);
  EXPECT_EQ(book_->revision(), revision);
  EXPECT_EQ(ApplyOrDie(Peer("a", "post", "PERMISSIVE")).changes[0].action, Action::kChanged);
  EXPECT_GT(book_->revision(), revision);
  const policy::DocumentKey key{policy::Kind::kPeerAuthentication, "default", "a"};
  EXPECT_EQ(book_->History(key)->size(), 2);
  ASSERT_TRUE(book_->Delete({key}, false, "ann", 2).ok());
  EXPECT_EQ(book_->Delete({key}, false, "ann", 2).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(book_->policies().documents().empty());
}

TEST_F(PolicyBookTest, ARestartReadsWhatWasStored) {
  ApplyOrDie(Peer("a", "post", "STRICT") + Peer("b", "auth", "PERMISSIVE"));
  const auto again = *PolicyBook::Open(store_.get());
  EXPECT_EQ(again->policies().documents().size(), 2);
  EXPECT_EQ(again->revision(), book_->revision());
  EXPECT_TRUE(again->unreadable().empty());
}

TEST_F(PolicyBookTest, AFullDiskKeepsTheOldPolicies) {
  ApplyOrDie(Peer("a", "post", "STRICT"));
  ASSERT_TRUE(store_->LimitPagesForTest(1).ok());
  std::string yaml = Peer("a", "post", "PERMISSIVE");
  for (int i = 0; i < 200; ++i)
    yaml += Peer("p" + std::to_string(i), "s" + std::to_string(i), "STRICT");
  const auto outcome = book_->Apply({yaml, "f"}, false, "ann", 1);
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kResourceExhausted) << outcome.status();
  EXPECT_EQ(policy::PolicyIndex(book_->policies()).MtlsModeOf({"default", "post"}),
            policy::MtlsMode::kStrict);
  EXPECT_EQ(book_->policies().documents().size(), 1);
}

// As after a downgrade, or the restore of a newer backup.
TEST_F(PolicyBookTest, WhatCannotBeReadIsNamedWithItsReasonAndOutOfForce) {
  ApplyOrDie(Peer("a", "post", "STRICT"));
  const std::string written = (*store_->List(store::Collection::kPolicy))[0].value;
  std::string newer = written;
  newer.replace(newer.find("STRICT"), 6, "STRICTER");
  store::Transaction transaction("later version", 1);
  transaction.Put(store::Collection::kPolicy, "PeerAuthentication/default/a", newer);
  transaction.Put(store::Collection::kPolicy, "EgressPolicy/default/out", "{");
  transaction.Put(store::Collection::kPolicy, "AuthorizationPolicy/default/empty", "");
  transaction.Put(store::Collection::kPolicy, "HTTPRoute/default/web", "{");
  transaction.Put(store::Collection::kPolicy, "QuotaPolicy/default/q", "{}");
  ASSERT_TRUE(store_->Commit(transaction).ok());
  book_ = *PolicyBook::Open(store_.get());
  EXPECT_TRUE(book_->policies().documents().empty());
  std::map<std::string, bool> security;
  for (const UnreadablePolicy& policy : book_->unreadable()) {
    EXPECT_FALSE(policy.problem.empty()) << policy.key;
    security[policy.key] = policy.is_security;
  }
  EXPECT_EQ(security, (std::map<std::string, bool>{{"PeerAuthentication/default/a", true},
                                                   {"EgressPolicy/default/out", true},
                                                   {"AuthorizationPolicy/default/empty", true},
                                                   {"HTTPRoute/default/web", false},
                                                   {"QuotaPolicy/default/q", true}}));
  const std::string text = ToText(book_->unreadable());
  EXPECT_NE(text.find("PeerAuthentication/default/a: spec.mode: "), std::string::npos) << text;
  EXPECT_NE(text.find("STRICTER"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4) << text;

  // Applied anew or deleted it is none of them any more, nor after a restart.
  ApplyOrDie(Peer("a", "post", "STRICT"));
  ASSERT_TRUE(
      book_->Delete({{policy::Kind::kEgressPolicy, "default", "out"}}, false, "ann", 2).ok());
  EXPECT_EQ(book_->unreadable().size(), 3);
  book_ = *PolicyBook::Open(store_.get());
  EXPECT_EQ(book_->unreadable().size(), 3);
  EXPECT_EQ(policy::PolicyIndex(book_->policies()).MtlsModeOf({"default", "post"}),
            policy::MtlsMode::kStrict);
}

}  // namespace
}  // namespace tulle::discovery
