// One SQL statement: prepared, bound in order, stepped, finalised. For what keeps its own file.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tulle::store {

// The last error of the database in words that name the next step.
absl::Status ErrorOf(sqlite3* database, int code);

class Statement {
 public:
  Statement(sqlite3* database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int64_t value);
  Statement& Bind(std::string_view value);
  Statement& BindNull();

  // True: a row is there. After false ask status(): OK means the rows have ended.
  bool Step();
  absl::Status Run();  // for statements without rows
  const absl::Status& status() const { return status_; }

  int64_t Integer(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;

 private:
  void Check(int code);

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  absl::Status status_;
};

}  // namespace tulle::store
