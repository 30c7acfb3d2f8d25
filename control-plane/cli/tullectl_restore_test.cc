#include <fstream>

#include "control-plane/cli/tullectl_fixture.h"

namespace tulle::cli {
namespace {

// A backup of the fixture's store, and a folder that it is brought back to.
class Restoring : public Tullectl {
 protected:
  Restoring() {
    EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0) << err;
    std::filesystem::create_directories(data_);
  }
  void Take() { EXPECT_EQ(Run({"backup", backup_, "--force"}), 0) << err; }
  int Restore(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"restore", backup_, "--data-dir", data_});
    return Run(more);
  }
  // The modes of what is in the folder now, by name.
  std::map<std::string, bool> Stored() {
    std::map<std::string, bool> strict;
    const auto store = store::SqliteStore::Open(data_ + "/tulle.db");
    EXPECT_TRUE(store.ok()) << store.status();
    if (!store.ok()) return strict;
    const auto records = (*store)->List(store::Collection::kPolicy);
    for (const store::Record& record : *records) {
      strict[record.key] = record.value.find("STRICT") != std::string::npos;
    }
    return strict;
  }
  bool IsThere(const std::string& name) { return std::filesystem::exists(data_ + "/" + name); }

  const std::string backup_ = folder_ + "/mesh.backup";
  const std::string data_ = folder_ + "/data";
  const std::string aside_ = "tulle.db.before-restore-" + std::to_string(kNow);
  const std::map<std::string, bool> whole_ = {{"PeerAuthentication/default/all", true}};
};

TEST_F(Restoring, AStoreThatCannotBeReadIsNotInUseAndIsPutAside) {
  Take();
  const std::string damaged(8192, 'x');
  ASSERT_TRUE(WritePrivateFile(data_ + "/tulle.db", damaged).ok());
  EXPECT_EQ(Restore(), 1);
  EXPECT_NE(err.find("or --force"), std::string::npos) << err;
  EXPECT_EQ(Restore({"--force"}), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_EQ(*ReadFile(data_ + "/" + aside_), damaged);
}

// As after a kill and `mv tulle.db elsewhere`: the log that stays is of another store.
TEST_F(Restoring, TheLogOfAnotherStoreIsNeverReplayed) {
  Take();
  {
    const auto other = *store::SqliteStore::Open(folder_ + "/other.db");
    store::Transaction transaction("bob", kNow);
    transaction.Put(store::Collection::kPolicy, "PeerAuthentication/default/foreign", "PERMISSIVE");
    ASSERT_TRUE(other->Commit(transaction).ok());
    std::filesystem::copy(folder_ + "/other.db-wal", data_ + "/tulle.db-wal");
  }
  ASSERT_GT(std::filesystem::file_size(data_ + "/tulle.db-wal"), 0u);
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_TRUE(IsThere(aside_ + "-wal"));
  EXPECT_NE(out.find(aside_), std::string::npos) << out;
}

// Between the former store and the new one nobody may begin an empty one.
TEST_F(Restoring, OneThatWasCutShortIsSaidAndRepeated) {
  Take();
  ASSERT_TRUE(WritePrivateFile(data_ + "/tulle.db.restoring", "whatever").ok());
  const auto store = store::SqliteStore::Open(data_ + "/tulle.db");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(store.status().message().find("repeat `tullectl restore`"), absl::string_view::npos);
  EXPECT_FALSE(IsThere("tulle.db"));
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_FALSE(IsThere("tulle.db.restoring"));
  EXPECT_FALSE(IsThere("tulle.db.checking"));
}

TEST_F(Restoring, PoliciesOfTheBackupThatCannotBeReadAreNamed) {
  store::Transaction transaction("later version", kNow);
  transaction.Put(store::Collection::kPolicy, "AuthorizationPolicy/shop/guard", "{\"new\": 1}");
  transaction.Put(store::Collection::kPolicy, "HTTPRoute/shop/web", "{");
  ASSERT_TRUE(store_->Commit(transaction).ok());
  Take();
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_NE(err.find("  AuthorizationPolicy/shop/guard: "), std::string::npos) << err;
  EXPECT_NE(err.find("  HTTPRoute/shop/web: "), std::string::npos) << err;
  EXPECT_NE(err.find("--ignore-unreadable-policies"), std::string::npos) << err;
}

TEST_F(Restoring, IntoAnEmptyFolderItSaysHowTheAdminGetsIn) {
  Take();
  std::filesystem::remove_all(data_);
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_NE(err.find("--reset-admin"), std::string::npos) << err;
  EXPECT_EQ(err.find("cannot parse"), std::string::npos) << err;
  struct stat status {};
  ASSERT_EQ(stat(data_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700);
  ASSERT_TRUE(WritePrivateFile(data_ + "/admin-credential", "x").ok());
  EXPECT_EQ(Restore({"--force"}), 0) << err;
  EXPECT_EQ(err.find("--reset-admin"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
