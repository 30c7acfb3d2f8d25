// Store on SQLite: WAL, synchronous=FULL, so that a commit survives SIGKILL and loss of power, and
// a torn one is as if it had never been. The schema has a version; opening an older file brings it
// up to date in one transaction. Owner: the thread that opened it. The file gets mode 0600: it
// holds the roots' keys.
#pragma once

#include <memory>
#include <string>

#include "control-plane/store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tulle::store {

class SqliteStore : public Store {
 public:
  // `path` is a file or ":memory:". A second process on the same file is refused. Every open
  // is refused while WaitingPath() exists: a restore was interrupted, and `path` is the previous
  // store, a part of it, or nothing.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path);
  static std::string WaitingPath(const std::string& path) { return path + ".restoring"; }
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  absl::StatusOr<int64_t> Commit(const Transaction& transaction) override;
  absl::StatusOr<std::optional<Record>> Get(Collection collection, std::string_view key) override;
  absl::StatusOr<std::vector<Record>> List(Collection collection) override;
  absl::StatusOr<std::vector<PastRecord>> History(Collection collection,
                                                  std::string_view key) override;
  absl::StatusOr<std::vector<PastRecord>> AllHistory(Collection collection) override;
  absl::StatusOr<std::string> Image() override;
  absl::Status WriteFailure() const override;
  absl::StatusOr<int64_t> RevisionOf(Collection collection) override;

  // SQLite's own check of the whole file.
  absl::Status CheckIntegrity();
  // As a full disk would: no page beyond `pages` of 4 KiB.
  absl::Status LimitPagesForTest(int pages);

 private:
  explicit SqliteStore(sqlite3* database) : database_(database) {}

  absl::Status Migrate();
  absl::StatusOr<int64_t> Write(const Transaction& transaction);
  absl::StatusOr<int64_t> Apply(const Transaction& transaction);
  absl::Status ApplyChange(const Transaction& transaction, const Transaction::Change& change,
                           int64_t revision);

  sqlite3* database_;
  absl::Status write_failure_;  // of the last Commit
};

}  // namespace tulle::store
