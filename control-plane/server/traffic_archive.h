// Keeps the minutes of a TrafficBook in a SQLite file, so that a control plane that starts again
// knows the last hour. The end of the process loses up to two minutes. Nothing depends on the file:
// one that is damaged is replaced, and backups leave it out. It gets mode 0600, also if it exists.
// What is written of a minute and what is read at the start are limited, whatever sidecars report.
// Owner: the control plane. Thread: the loop's, a few hundred rows a turn.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/insight/traffic_book.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::server {

class TrafficArchive {
 public:
  static constexpr size_t kRowsOfTurn = 500;
  // Of the rows of a minute, and of one reporter's among them; a log line tells of the rest.
  static constexpr size_t kMostBytesOfMinute = 8 * 1024 * 1024;
  static constexpr size_t kMostBytesOfOne = kMostBytesOfMinute / 8;
  // Of the rows that are read at the start: the newest.
  static constexpr size_t kMostBytesRead = insight::TrafficBook::kMostBytes;
  static constexpr size_t kLargestRow = 16 * 1024;  // larger ones are not read

  // Adds what the file has of the last hour to the book, which is new, and writes each minute that
  // ends from now on. Book, loop and log outlive this. Errors: the file cannot be used.
  static absl::StatusOr<std::unique_ptr<TrafficArchive>> Open(const std::string& path,
                                                              insight::TrafficBook& book,
                                                              loop::Loop& loop,
                                                              telemetry::Log& log);
  ~TrafficArchive();
  TrafficArchive(const TrafficArchive&) = delete;

 private:
  TrafficArchive(sqlite3* database, insight::TrafficBook& book, loop::Loop& loop,
                 telemetry::Log& log);

  absl::Status Prepare();
  absl::Status Restore();
  // From when on rows are read.
  int64_t FirstRow(int64_t now) const;
  int64_t Now() const;  // seconds since the epoch
  void Tick();
  void Collect(int64_t minute);
  absl::Status Write(const insight::EdgeTraffic& each);
  // Some rows, in the transaction that the first of them begins and the last one ends.
  absl::Status WriteSome();
  absl::Status Finish();

  sqlite3* database_;
  insight::TrafficBook& book_;
  loop::Loop& loop_;
  telemetry::Log& log_;
  int64_t written_ = 0;                          // start of the minute that was collected last
  std::vector<insight::EdgeTraffic> unwritten_;  // of it
  bool is_writing_ = false;                      // in a transaction
  // Of the minute that is being written.
  size_t bytes_ = 0;
  std::map<std::string, size_t> bytes_of_;  // by reporter
  size_t left_out_ = 0;
  std::unique_ptr<loop::Timer> timer_;
};

}  // namespace tulle::server
