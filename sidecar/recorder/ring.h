#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sidecar/recorder/explanation.h"
#include "sidecar/recorder/explanation_writer.h"
#include "sidecar/recorder/mapping.h"
#include "sidecar/recorder/record.h"
#include "sidecar/recorder/record_writer.h"
#include "sidecar/recorder/shared_words.h"

namespace tulle::recorder {

class File;

// The begin of a ring's memory, and of its file. Labels of configurations, records and explanations
// follow.
struct RingHeader {
  static constexpr char kMagic[8] = {'T', 'u', 'l', 'l', 'e', 'R', 'e', 'c'};
  static constexpr uint32_t kVersion = 2;
  static constexpr size_t kLabelWords = 64;

  char magic[8];
  uint32_t version;
  uint32_t record_bytes;
  uint32_t records;  // a power of two
  uint32_t worker;
  uint32_t pid;
  uint32_t explanation_bytes;
  uint32_t explanations;  // a power of two
  uint32_t configurations;
  int64_t started;            // of the process, seconds, Unix time
  uint64_t next;              // number of the next record
  uint64_t next_explanation;  // number of the next explanation
  uint64_t next_configuration;
  uint64_t failed;            // requests so far
  uint64_t own[kLabelWords];  // label: the SPIFFE ID of the workload
};

// The last records of one worker, always on, with explanations of those that ended or went in an
// unusual way: a fixed number of places each, of which the oldest is overwritten. Its memory is
// used as it is written. One thread writes; any other, or another process, reads at the same time,
// and never gets what is torn.
//
// Owner: WorkerRecorder, or who reads a file.
class Ring {
 public:
  static constexpr uint32_t kRecords = 4096;
  static constexpr uint32_t kExplanations = 512;
  static constexpr uint32_t kConfigurations = 64;

  // In anonymous memory. Both numbers are powers of two.
  explicit Ring(uint32_t worker, uint32_t records = kRecords,
                uint32_t explanations = kExplanations);
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
    StoreWord(&header().next, next_);
    return number;
  }
  // The writer's thread. Explains the record written last. `fill` is called with an
  // ExplanationWriter.
  template <typename Fill>
  void Explain(Fill fill) {
    const uint64_t number = header().next_explanation;
    {
      ExplanationWriter writer(ExplanationPlace(number), number, Place(next_ - 1));
      fill(writer);
    }
    StoreWord(&header().next_explanation, number + 1);
  }
  // The writer's thread.
  void CountFailed() { StoreWord(&header().failed, header().failed + 1); }
  void SetOwn(std::string_view spiffe_id) { StoreLabel(header().own, 0, spiffe_id); }
  // The configuration that is in force from now on, since `since` (nanoseconds, Unix time), as
  // records have it. `text` tells it from others.
  void SetConfiguration(int64_t since, std::string_view text);

  // Any thread. Unset: it is not there yet, is being written, or was overwritten.
  std::optional<Record> Read(uint64_t number) const;
  std::unique_ptr<const Explanation> ReadExplanation(uint64_t number) const;
  // The record or explanation in the place, whatever its number.
  std::optional<Record> ReadPlace(uint32_t place) const;
  std::unique_ptr<const Explanation> ReadExplanationPlace(uint32_t place) const;
  // The number of the next record.
  uint64_t next() const { return LoadWord(&header().next); }
  uint64_t next_explanation() const { return LoadWord(&header().next_explanation); }
  // The number of the oldest one that may still be there.
  uint64_t oldest() const { return next() > records_ ? next() - records_ : 0; }
  uint32_t records() const { return records_; }
  uint32_t explanations() const { return explanations_; }
  const RingHeader& about() const { return header(); }
  // Failed requests so far.
  uint64_t failed() const { return LoadWord(&header().failed); }
  // SPIFFE ID of the workload; empty: it has had none.
  std::string own() const;
  // Of the configuration that came into force then; empty: unknown.
  std::string ConfigurationSince(int64_t since) const;

 private:
  bool ReadPlaces(const File& file);
  RingHeader& header() const { return *reinterpret_cast<RingHeader*>(memory_.begin()); }
  uint64_t* Place(uint64_t number) const;
  uint64_t* ExplanationPlace(uint64_t number) const;
  std::span<uint64_t> ConfigurationPlace(uint64_t number) const;

  Mapping memory_;
  uint32_t records_;
  uint32_t explanations_;
  uint64_t next_ = 0;  // the writer's own
};

}  // namespace tulle::recorder
