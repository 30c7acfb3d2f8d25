#include "control-plane/store/sqlite_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "control-plane/store/store_lock.h"

namespace tulle::store {
namespace {

std::unique_ptr<SqliteStore> OpenOrDie(const std::string& path) {
  auto store = SqliteStore::Open(path);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

std::string PathOf(const std::string& name) {
  const std::string path = testing::TempDir() + "/" + name + ".db";
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((path + suffix).c_str());
  return path;
}

std::string ValueOf(SqliteStore& store, Collection collection, const std::string& key) {
  const auto record = store.Get(collection, key);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() && *record ? (*record)->value : "(none)";
}

TEST(SqliteStore, ATransactionIsVersionedAndKeepsHistory) {
  const auto store = OpenOrDie(":memory:");
  Transaction first("ann", 100);
  first.Put(Collection::kPolicy, "a", "1");
  first.Put(Collection::kPolicy, "b", "1");
  EXPECT_EQ(*store->Commit(first), 1);
  Transaction second("bob", 200);
  second.Put(Collection::kPolicy, "a", "2");
  second.Delete(Collection::kPolicy, "b");
  second.Put(Collection::kMeta, "m", "x");
  EXPECT_EQ(*store->Commit(second), 2);
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "a"), "2");
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "b"), "(none)");
  EXPECT_EQ(store->List(Collection::kPolicy)->size(), 1);
  const auto history = *store->History(Collection::kPolicy, "b");
  ASSERT_EQ(history.size(), 2);
  EXPECT_EQ(history[0].value, std::nullopt);
  EXPECT_EQ(history[0].author, "bob");
  EXPECT_EQ(history[1].value, "1");
  EXPECT_EQ(history[1].at, 100);
  EXPECT_EQ(*store->RevisionOf(Collection::kPolicy), 2);
  EXPECT_EQ(*store->RevisionOf(Collection::kWorkload), 0);
  EXPECT_TRUE(store->History(Collection::kMeta, "m")->empty());
}

TEST(SqliteStore, HistoryIsBounded) {
  const auto store = OpenOrDie(":memory:");
  for (int i = 0; i < 150; ++i) {
    Transaction transaction("ann", i);
    transaction.Put(Collection::kPolicy, "a", std::to_string(i));
    ASSERT_TRUE(store->Commit(transaction).ok());
  }
  const auto history = *store->History(Collection::kPolicy, "a");
  ASSERT_EQ(history.size(), 100);
  EXPECT_EQ(history[0].value, "149");
}

TEST(SqliteStore, AStaleExpectationChangesNothing) {
  const auto store = OpenOrDie(":memory:");
  Transaction first("ann", 1);
  first.Put(Collection::kPolicy, "a", "1");
  ASSERT_TRUE(store->Commit(first).ok());
  Transaction stale("bob", 1);
  stale.Expect(Collection::kPolicy, 0);
  stale.Put(Collection::kPolicy, "a", "2");
  EXPECT_EQ(store->Commit(stale).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "a"), "1");
  Transaction fresh("bob", 1);
  fresh.Expect(Collection::kPolicy, 1);
  fresh.Put(Collection::kPolicy, "a", "2");
  EXPECT_TRUE(store->Commit(fresh).ok());
}

TEST(SqliteStore, OnlyTheOwnerReadsTheFileAndOnlyOneProcessOpensIt) {
  const std::string path = PathOf("mode");
  const auto store = OpenOrDie(path);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  const auto second = SqliteStore::Open(path);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable) << second.status();
}

TEST(SqliteStore, AFileOfANewerVersionIsRefused) {
  const std::string path = PathOf("newer");
  OpenOrDie(path).reset();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "INSERT INTO migrations VALUES(99)", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  const auto store = SqliteStore::Open(path);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(store.status().message().find("newer"), std::string::npos);
}

TEST(SqliteStore, RecordsKnowSinceWhenTheyAreThere) {
  const std::string path = PathOf("created");
  auto store = OpenOrDie(path);
  const auto put = [&](int64_t now) {
    Transaction transaction("ann", now);
    transaction.Put(Collection::kPolicy, "k", "v");
    ASSERT_TRUE(store->Commit(transaction).ok());
  };
  put(10);
  put(20);
  EXPECT_EQ((*store->Get(Collection::kPolicy, "k"))->created_at, 10);
  Transaction gone("ann", 30);
  gone.Delete(Collection::kPolicy, "k");
  ASSERT_TRUE(store->Commit(gone).ok());
  put(40);
  put(50);
  EXPECT_EQ(store->List(Collection::kPolicy)->front().created_at, 40);
  store.reset();
  // A file of the version before it was kept.
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database,
                         "ALTER TABLE records DROP COLUMN created_at;"
                         "DELETE FROM migrations WHERE version = 2",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  store = OpenOrDie(path);
  EXPECT_EQ((*store->Get(Collection::kPolicy, "k"))->created_at, 40);
}

TEST(SqliteStore, WhatIsNoDatabaseIsRefused) {
  const std::string path = PathOf("garbage");
  FILE* file = fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs(std::string(8192, 'x').c_str(), file);
  fclose(file);
  EXPECT_EQ(SqliteStore::Open(path).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteStore::Open("/no/such/folder/x.db").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(SqliteStore, AFullDiskSaysSoAndKeepsTheOldState) {
  const std::string path = PathOf("full");
  const auto store = OpenOrDie(path);
  Transaction good("ann", 1);
  good.Put(Collection::kPolicy, "a", "old");
  ASSERT_TRUE(store->Commit(good).ok());
  ASSERT_TRUE(store->LimitPagesForTest(16).ok());
  Transaction large("ann", 2);
  large.Put(Collection::kPolicy, "a", "new");
  large.Put(Collection::kPolicy, "b", std::string(1 << 20, 'x'));
  const absl::Status status = store->Commit(large).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_NE(status.message().find("full"), std::string::npos);
  EXPECT_NE(status.message().find("free space"), std::string::npos);
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "a"), "old");
  EXPECT_EQ(*store->RevisionOf(Collection::kPolicy), 1);
  ASSERT_TRUE(store->LimitPagesForTest(1 << 20).ok());
  EXPECT_TRUE(store->Commit(large).ok());
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "a"), "new");
}

// A limit on the size of files fails inside the write itself, as a disk does.
TEST(SqliteStore, AWriteThatFailsKeepsTheOldState) {
  const std::string path = PathOf("limit");
  const auto store = OpenOrDie(path);
  Transaction good("ann", 1);
  good.Put(Collection::kPolicy, "a", "old");
  ASSERT_TRUE(store->Commit(good).ok());
  struct rlimit before {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  struct rlimit tight = before;
  tight.rlim_cur = 256 << 10;
  setrlimit(RLIMIT_FSIZE, &tight);
  Transaction large("ann", 2);
  large.Put(Collection::kPolicy, "a", "new");
  large.Put(Collection::kPolicy, "b", std::string(1 << 20, 'x'));
  const absl::Status status = store->Commit(large).status();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "a"), "old");
  EXPECT_TRUE(store->CheckIntegrity().ok());
}

// Writes pairs that must always be equal until it is killed; each commit that has returned is told
// to the parent.
[[noreturn]] void WriteUntilKilled(const std::string& path, int pipe) {
  auto store = SqliteStore::Open(path);
  if (!store.ok()) _exit(1);
  for (int64_t i = (*store)->RevisionOf(Collection::kPolicy).value_or(0) + 1;; ++i) {
    Transaction transaction("child", i);
    const std::string value = std::to_string(i);
    transaction.Put(Collection::kPolicy, "left", value + std::string(5000, ' '));
    transaction.Put(Collection::kPolicy, "right", value + std::string(5000, ' '));
    const auto revision = (*store)->Commit(transaction);
    if (!revision.ok() || write(pipe, &*revision, sizeof(*revision)) < 0) _exit(1);
  }
}

TEST(SqliteStore, SurvivesSigkillAtAnyMoment) {
  const std::string path = PathOf("killed");
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipes[0]);
      WriteUntilKilled(path, pipes[1]);
    }
    close(pipes[1]);
    // Killed somewhere after a random number of commits: the moment within the next one is left to
    // chance.
    int64_t acknowledged = 0;
    const int commits = static_cast<int>(random() % 20) + 1;
    for (int i = 0; i < commits; ++i) {
      ASSERT_EQ(read(pipes[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
    }
    for (unsigned spin = random() % 1000000; spin > 0; --spin) {
      asm volatile("");
    }
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << WEXITSTATUS(status);
    int64_t revision = 0;
    while (read(pipes[0], &revision, sizeof(revision)) == sizeof(revision)) acknowledged = revision;
    close(pipes[0]);
    const auto store = OpenOrDie(path);
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->CheckIntegrity().ok());
    EXPECT_GE(*store->RevisionOf(Collection::kPolicy), acknowledged);
    EXPECT_EQ(ValueOf(*store, Collection::kPolicy, "left"),
              ValueOf(*store, Collection::kPolicy, "right"));
  }
}

// Another process that has the store open, until it is killed.
TEST(StoreLock, TellsAStoreInUseFromOneThatIsNot) {
  const std::string path = PathOf("in-use");
  EXPECT_EQ(StoreLock::Take(path).status().code(), absl::StatusCode::kNotFound);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto store = SqliteStore::Open(path);
    const char answer = store.ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) == 1) pause();
    _exit(1);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_EQ(StoreLock::Take(path).status().code(), absl::StatusCode::kUnavailable);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_TRUE(StoreLock::Take(path).ok());
}

TEST(StoreLock, WhileItIsHeldNobodyOpensTheStore) {
  const std::string path = PathOf("locked");
  OpenOrDie(path).reset();
  const auto open_elsewhere = [&path] {
    const pid_t child = fork();
    if (child == 0) _exit(absl::IsUnavailable(SqliteStore::Open(path).status()) ? 7 : 0);
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  {
    const auto lock = StoreLock::Take(path);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_EQ(open_elsewhere(), 7);
  }
  EXPECT_EQ(open_elsewhere(), 0);
}

}  // namespace
}  // namespace tulle::store
