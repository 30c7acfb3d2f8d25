#include "control-plane/store/sqlite_store.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "control-plane/store/statement.h"

namespace tulle::store {
namespace {

constexpr size_t kMostValueBytes = 4 << 20;
// With less, the next commits may fail.
constexpr uint64_t kLeastFreeBytes = uint64_t{16} << 20;

// Step N brings a file of version N to N + 1. Never change one that was released: add another.
constexpr const char* kMigrations[] = {
    "CREATE TABLE records(collection INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " revision INTEGER NOT NULL, PRIMARY KEY(collection, key)) WITHOUT ROWID;"
    "CREATE TABLE history(collection INTEGER NOT NULL, key TEXT NOT NULL, revision INTEGER NOT "
    "NULL,"
    " value TEXT, at INTEGER NOT NULL, author TEXT NOT NULL,"
    " PRIMARY KEY(collection, key, revision)) WITHOUT ROWID;"
    "CREATE TABLE revisions(collection INTEGER PRIMARY KEY, revision INTEGER NOT NULL);",
    // A key that was deleted and written again counts from then.
    "ALTER TABLE records ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;"
    "UPDATE records SET created_at = COALESCE((SELECT MIN(h.at) FROM history h"
    " WHERE h.collection = records.collection AND h.key = records.key AND h.revision >"
    " COALESCE((SELECT MAX(d.revision) FROM history d WHERE d.collection = records.collection"
    " AND d.key = records.key AND d.value IS NULL), 0)), 0);",
};
constexpr int64_t kSchemaVersion = std::size(kMigrations);

int NumberOf(Collection collection) { return static_cast<int>(collection); }

absl::Status Execute(sqlite3* database, const char* sql) {
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(database, code);
}

// Rolls back unless told to commit.
class Scope {
 public:
  explicit Scope(sqlite3* database)
      : database_(database), status_(Execute(database, "BEGIN IMMEDIATE")) {}
  ~Scope() {
    // SQLite may have rolled back by itself after a full disk: asking twice does no harm.
    if (!done_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  const absl::Status& status() const { return status_; }
  absl::Status Commit() {
    absl::Status status = Execute(database_, "COMMIT");
    done_ = status.ok();
    return status;
  }

 private:
  sqlite3* database_;
  absl::Status status_;
  bool done_ = false;
};

absl::StatusOr<int64_t> ReadInteger(Statement& statement) {
  const int64_t value = statement.Step() ? statement.Integer(0) : 0;
  if (!statement.status().ok()) return statement.status();
  return value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path) {
  if (access(WaitingPath(path).c_str(), F_OK) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a restore was interrupted, ", WaitingPath(path),
        " exists: repeat `tullectl restore`. To keep the previous store instead, rename its "
        "files back (",
        path, ".before-restore-...) and delete that file"));
  }
  sqlite3* database = nullptr;
  const mode_t old_mask = umask(0077);
  const int code =
      sqlite3_open_v2(path.c_str(), &database,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteStore> store(new SqliteStore(database));
  absl::Status status = code == SQLITE_OK ? absl::OkStatus() : ErrorOf(database, code);
  // The lock is taken by the first write and kept: two control planes on one file would overwrite
  // each other.
  for (const char* sql : {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL",
                          "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"}) {
    if (status.ok()) status = Execute(database, sql);
  }
  if (status.ok()) status = store->Migrate();
  umask(old_mask);
  if (!status.ok()) return status;
  return store;
}

SqliteStore::~SqliteStore() { sqlite3_close_v2(database_); }

absl::Status SqliteStore::Migrate() {
  Scope scope(database_);
  if (!scope.status().ok()) return scope.status();
  absl::Status status =
      Execute(database_, "CREATE TABLE IF NOT EXISTS migrations(version INTEGER PRIMARY KEY)");
  if (!status.ok()) return status;
  int64_t version = 0;
  {
    Statement newest(database_, "SELECT COALESCE(MAX(version), 0) FROM migrations");
    const auto read = ReadInteger(newest);
    if (!read.ok()) return read.status();
    version = *read;
  }
  if (version > kSchemaVersion) {
    return absl::DataLossError(absl::StrCat("the store has schema version ", version,
                                            ", newer than the supported ", kSchemaVersion,
                                            ": start a newer tulle-control"));
  }
  for (; version < kSchemaVersion; ++version) {
    status = Execute(database_, kMigrations[version]);
    if (!status.ok()) return status;
    status =
        Statement(database_, "INSERT INTO migrations(version) VALUES(?)").Bind(version + 1).Run();
    if (!status.ok()) return status;
  }
  return scope.Commit();
}

absl::StatusOr<int64_t> SqliteStore::Commit(const Transaction& transaction) {
  for (const Transaction::Change& change : transaction.changes()) {
    if (change.value && change.value->size() > kMostValueBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a record of ", change.value->size(), " bytes is too large; at most 4 MiB"));
    }
  }
  absl::StatusOr<int64_t> revision = Write(transaction);
  // A conflict says nothing about the disk.
  if (revision.status().code() != absl::StatusCode::kAborted) write_failure_ = revision.status();
  return revision;
}

absl::Status SqliteStore::WriteFailure() const {
  if (!write_failure_.ok()) return write_failure_;
  const char* file = sqlite3_db_filename(database_, "main");
  struct statvfs disk {};
  if (file == nullptr || *file == '\0' || statvfs(file, &disk) != 0) return absl::OkStatus();
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free >= kLeastFreeBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("only ", free >> 20, " MiB are free where the store is: ", file));
}

absl::StatusOr<int64_t> SqliteStore::Write(const Transaction& transaction) {
  Scope scope(database_);
  if (!scope.status().ok()) return scope.status();
  const absl::StatusOr<int64_t> revision = Apply(transaction);
  if (!revision.ok()) return revision;
  const absl::Status status = scope.Commit();
  if (!status.ok()) return status;
  return revision;
}

absl::StatusOr<int64_t> SqliteStore::Apply(const Transaction& transaction) {
  if (transaction.expected()) {
    const auto current = RevisionOf(transaction.expected()->collection);
    if (!current.ok()) return current.status();
    if (*current != transaction.expected()->revision) {
      return absl::AbortedError(
          absl::StrCat("conflict: modified since it was read (revision ", *current, ", expected ",
                       transaction.expected()->revision, "): read it again and repeat the change"));
    }
  }
  int64_t revision = 0;
  {
    Statement newest(database_, "SELECT COALESCE(MAX(revision), 0) FROM revisions");
    const auto read = ReadInteger(newest);
    if (!read.ok()) return read.status();
    revision = *read + 1;
  }
  for (const Transaction::Change& change : transaction.changes()) {
    const absl::Status status = ApplyChange(transaction, change, revision);
    if (!status.ok()) return status;
  }
  return revision;
}

absl::Status SqliteStore::ApplyChange(const Transaction& transaction,
                                      const Transaction::Change& change, int64_t revision) {
  const int64_t collection = NumberOf(change.collection);
  absl::Status status;
  if (change.value) {
    status = Statement(database_,
                       "INSERT INTO records(collection, key, value, revision, created_at)"
                       " VALUES(?, ?, ?, ?, ?) ON CONFLICT(collection, key)"
                       " DO UPDATE SET value = excluded.value, revision = excluded.revision")
                 .Bind(collection)
                 .Bind(change.key)
                 .Bind(*change.value)
                 .Bind(revision)
                 .Bind(transaction.now())
                 .Run();
  } else {
    status = Statement(database_, "DELETE FROM records WHERE collection = ? AND key = ?")
                 .Bind(collection)
                 .Bind(change.key)
                 .Run();
  }
  if (!status.ok()) return status;
  status = Statement(database_, "REPLACE INTO revisions VALUES(?, ?)")
               .Bind(collection)
               .Bind(revision)
               .Run();
  if (!status.ok() || change.collection != Collection::kPolicy) return status;
  Statement past(database_, "REPLACE INTO history VALUES(?, ?, ?, ?, ?, ?)");
  past.Bind(collection).Bind(change.key).Bind(revision);
  if (change.value) {
    past.Bind(*change.value);
  } else {
    past.BindNull();
  }
  status = past.Bind(transaction.now()).Bind(transaction.author()).Run();
  if (!status.ok()) return status;
  return Statement(database_,
                   "DELETE FROM history WHERE collection = ?1 AND key = ?2 AND revision <= "
                   "(SELECT revision FROM history WHERE collection = ?1 AND key = ?2"
                   " ORDER BY revision DESC LIMIT 1 OFFSET ?3)")
      .Bind(collection)
      .Bind(change.key)
      .Bind(static_cast<int64_t>(kKeptVersions))
      .Run();
}

absl::StatusOr<std::optional<Record>> SqliteStore::Get(Collection collection,
                                                       std::string_view key) {
  Statement statement(
      database_,
      "SELECT value, revision, created_at FROM records WHERE collection = ? AND key = ?");
  statement.Bind(NumberOf(collection)).Bind(key);
  std::optional<Record> record;
  if (statement.Step()) {
    record =
        Record{std::string(key), statement.Text(0), statement.Integer(1), statement.Integer(2)};
  }
  if (!statement.status().ok()) return statement.status();
  return record;
}

absl::StatusOr<std::vector<Record>> SqliteStore::List(Collection collection) {
  Statement statement(
      database_,
      "SELECT key, value, revision, created_at FROM records WHERE collection = ? ORDER BY key");
  statement.Bind(NumberOf(collection));
  std::vector<Record> records;
  while (statement.Step()) {
    records.push_back(
        {statement.Text(0), statement.Text(1), statement.Integer(2), statement.Integer(3)});
  }
  if (!statement.status().ok()) return statement.status();
  return records;
}

namespace {

absl::StatusOr<std::vector<PastRecord>> ReadHistory(Statement& statement) {
  std::vector<PastRecord> records;
  while (statement.Step()) {
    PastRecord record;
    record.key = statement.Text(0);
    if (!statement.IsNull(1)) record.value = statement.Text(1);
    record.revision = statement.Integer(2);
    record.at = statement.Integer(3);
    record.author = statement.Text(4);
    records.push_back(std::move(record));
  }
  if (!statement.status().ok()) return statement.status();
  return records;
}

}  // namespace

absl::StatusOr<std::vector<PastRecord>> SqliteStore::History(Collection collection,
                                                             std::string_view key) {
  Statement statement(database_,
                      "SELECT key, value, revision, at, author FROM history"
                      " WHERE collection = ? AND key = ? ORDER BY revision DESC");
  statement.Bind(NumberOf(collection)).Bind(key);
  return ReadHistory(statement);
}

absl::StatusOr<std::vector<PastRecord>> SqliteStore::AllHistory(Collection collection) {
  Statement statement(database_,
                      "SELECT key, value, revision, at, author FROM history"
                      " WHERE collection = ? ORDER BY revision DESC, key");
  statement.Bind(NumberOf(collection));
  return ReadHistory(statement);
}

absl::StatusOr<std::string> SqliteStore::Image() {
  sqlite3_int64 size = 0;
  unsigned char* bytes = sqlite3_serialize(database_, "main", &size, 0);
  if (bytes == nullptr) {
    return absl::ResourceExhaustedError("not enough memory to copy the store: try again later");
  }
  std::string image(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  sqlite3_free(bytes);
  return image;
}

absl::StatusOr<int64_t> SqliteStore::RevisionOf(Collection collection) {
  Statement statement(database_, "SELECT revision FROM revisions WHERE collection = ?");
  statement.Bind(NumberOf(collection));
  return ReadInteger(statement);
}

absl::Status SqliteStore::CheckIntegrity() {
  Statement statement(database_, "PRAGMA integrity_check");
  const std::string answer = statement.Step() ? statement.Text(0) : "no answer";
  if (answer == "ok") return absl::OkStatus();
  return absl::DataLossError("the store is damaged: " + answer);
}

absl::Status SqliteStore::LimitPagesForTest(int pages) {
  return Execute(database_, absl::StrCat("PRAGMA max_page_count=", pages).c_str());
}

}  // namespace tulle::store
