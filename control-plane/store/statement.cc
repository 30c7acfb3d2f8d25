#include "control-plane/store/statement.h"

#include "absl/strings/str_cat.h"

namespace tulle::store {

absl::Status ErrorOf(sqlite3* database, int code) {
  const std::string detail = sqlite3_errmsg(database);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat("the store's disk is full (", detail,
                       "): nothing was changed; free space in --data-dir and try again"));
    case SQLITE_IOERR:
      return absl::ResourceExhaustedError(absl::StrCat(
          "the store cannot write (", detail,
          "): nothing was changed; check space, quota and health of --data-dir's disk"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(
          absl::StrCat("the store is damaged (", detail,
                       "): stop tulle-control and restore a backup with `tullectl restore`"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(
          "the store is in use by another process: stop the other tulle-control on this "
          "--data-dir");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return absl::PermissionDeniedError(
          absl::StrCat("the store cannot be opened for writing (", detail,
                       "): check that --data-dir is a directory this user can write"));
    default:
      return absl::InternalError(absl::StrCat("the store failed: ", detail, " (", code, ")"));
  }
}

Statement::Statement(sqlite3* database, const char* sql) : database_(database) {
  Check(sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::Check(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = ErrorOf(database_, code);
}

Statement& Statement::Bind(int64_t value) {
  Check(sqlite3_bind_int64(statement_, next_++, value));
  return *this;
}

Statement& Statement::Bind(std::string_view value) {
  Check(sqlite3_bind_text(statement_, next_++, value.data(), static_cast<int>(value.size()),
                          SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindNull() {
  Check(sqlite3_bind_null(statement_, next_++));
  return *this;
}

bool Statement::Step() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) Check(code);
  return false;
}

absl::Status Statement::Run() {
  while (Step()) {
  }
  return status_;
}

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace tulle::store
