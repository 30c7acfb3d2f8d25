#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecar/recorder/record.h"
#include "sidecar/recorder/record_writer.h"

namespace tulle::recorder {

// The begin of a ring's memory, and of its file.
struct RingHeader {
  static constexpr char kMagic[8] = {'T', 'u', 'l', 'l', 'e', 'R', 'e', 'c'};
  static constexpr uint32_t kVersion = 1;

  char magic[8];
  uint32_t version;
  uint32_t record_bytes;
  uint32_t records;  // a power of two
  uint32_t worker;
  uint32_t pid;
  uint32_t spare;
  int64_t started;  // of the process, seconds, Unix time
  uint64_t next;    // number of the next record
};

// A memory mapping. Moves; the last one unmaps.
class Mapping {
 public:
  Mapping() = default;
  Mapping(char* begin, size_t size) : begin_(begin), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping();
  char* begin() const { return begin_; }
  size_t size() const { return size_; }

 private:
  char* begin_ = nullptr;
  size_t size_ = 0;
};

// The last records of one worker, always on: a fixed number of places, of which the oldest is
// overwritten. Its memory is used as it is written. One thread writes; any other, or another
// process, reads at the same time, and never gets a torn record.
//
// Owner: WorkerRecorder, or who reads a file.
class Ring {
 public:
  static constexpr uint32_t kRecords = 4096;

  // In anonymous memory. `records` is a power of two.
  explicit Ring(uint32_t worker, uint32_t records = kRecords);
  // What a file has now, also while its process writes it: a copy, so that who cuts the file short
  // meanwhile does no harm. An error says what is wrong with it.
  static absl::StatusOr<Ring> ReadFile(const std::string& path);

  // From now on in a file, which survives the process: PATH.ring. What a former process left there
  // is kept as PATH.previous.ring if it holds a record of this form. REQUIRES: nothing was written
  // yet, and no one else uses the file. `rings`: of this size that go to the same place. On an
  // error the ring stays in memory.
  absl::Status MoveToFile(const std::string& path, size_t rings = 1);

  // The writer's thread. `fill` is called with a RecordWriter. Returns the record's number.
  template <typename Fill>
  uint64_t Write(Fill fill) {
    const uint64_t number = next_;
    {
      RecordWriter writer(Place(number), number);
      fill(writer);
    }
    next_ = number + 1;
    std::atomic_ref<uint64_t>(header().next).store(next_, std::memory_order_release);
    return number;
  }

  // Any thread. Unset: it is not there yet, is being written, or was overwritten.
  std::optional<Record> Read(uint64_t number) const;
  // The record in the place, whatever its number.
  std::optional<Record> ReadPlace(uint32_t place) const;
  // The number of the next record.
  uint64_t next() const {
    return std::atomic_ref<uint64_t>(header().next).load(std::memory_order_acquire);
  }
  // The number of the oldest one that may still be there.
  uint64_t oldest() const { return next() > records_ ? next() - records_ : 0; }
  uint32_t records() const { return records_; }
  const RingHeader& about() const { return header(); }

 private:
  bool ReadPlaces(int descriptor);
  RingHeader& header() const { return *reinterpret_cast<RingHeader*>(memory_.begin()); }
  uint64_t* Place(uint64_t number) const;

  Mapping memory_;
  uint32_t records_;
  uint64_t next_ = 0;  // the writer's own
};

}  // namespace tulle::recorder
