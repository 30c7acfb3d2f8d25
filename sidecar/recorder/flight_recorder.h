#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sidecar/recorder/record_filter.h"
#include "sidecar/recorder/ring.h"
#include "sidecar/recorder/worker_recorder.h"

namespace tulle::recorder {

// Some records, the newest first.
struct Found {
  struct One {
    const Ring* ring;
    Record record;
    std::shared_ptr<const Explanation> explanation;  // null: there is none
  };
  std::vector<One> records;
  uint64_t left_out = 0;  // that match, too
};

// The flight recorder of the process: the last requests of each worker, always on. Workers write,
// the main thread reads. Owner: Process; outlives the workers.
class FlightRecorder {
 public:
  explicit FlightRecorder(int workers);

  // From now on in files of this directory, which survive a crash; those of the process before are
  // kept, and read, too. REQUIRES: no request has come yet. On an error some or all workers go on
  // in memory.
  absl::Status MoveToDirectory(const std::string& directory);

  WorkerRecorder& worker(int index) { return *workers_[static_cast<size_t>(index)]; }
  std::span<const std::unique_ptr<WorkerRecorder>> workers() const { return workers_; }

  // At most `limit` records that match.
  Found Find(const RecordFilter& filter, size_t limit) const;

 private:
  std::vector<std::unique_ptr<WorkerRecorder>> workers_;
  std::vector<Ring> previous_;  // of the process before
};

// Visits the records of one ring that came since the last call. Owner: who follows the requests.
class RingReader {
 public:
  // Begins with what comes from now on.
  explicit RingReader(const Ring& ring) : ring_(ring), next_(ring.next()) {}
  // Returns the number of those that were overwritten before they were read.
  uint64_t Read(const std::function<void(const Record&)>& visit);

 private:
  const Ring& ring_;
  uint64_t next_;
};

// The records in rings, the newest first; also those that only an explanation has any more.
Found FindIn(std::span<const Ring* const> rings, const RecordFilter& filter, size_t limit);

}  // namespace tulle::recorder
