// The requests that have failed lately: the newest of them with all that is known, and how many
// there were of which cause in the last hour. In memory; also of sidecars that are gone. Knows no
// protocol. Owner: ControlPlane. Thread: the loop's. Times in seconds since the epoch.
//
// A request that both its caller and its service report counts once: as the side says that knows
// the cause.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

class FailureBook {
 public:
  static constexpr size_t kMostRecords = 1000;
  static constexpr size_t kMostBytes = 8 * 1024 * 1024;
  // Of one reporter (SPIFFE ID): beyond this its own oldest record goes.
  static constexpr size_t kMostOfOne = 250;
  static constexpr size_t kMostBytesOfOne = kMostBytes / 4;
  // Of one reporter and slot: it cannot make the numbers of all meaningless. What is not counted
  // counts as left out.
  static constexpr uint64_t kMostCountedOfOne = 100'000;
  static constexpr uint64_t kMostLeftOutOfOne = 1'000'000;
  static constexpr size_t kMostGroups = 2000;
  // Of one reporter; further ones count as the service `other`.
  static constexpr size_t kMostGroupsOfOne = 200;
  // A group's example may outlive its record; of a larger one the decisions are left out.
  static constexpr size_t kLargestExample = 8 * 1024;
  static constexpr int64_t kKeptSeconds = 3600;
  static constexpr int64_t kSlotSeconds = 60;

  struct Cause {
    std::string cause;  // empty: the service answered so itself
    uint32_t status = 0;
    std::string service;
    std::string source;

    auto operator<=>(const Cause&) const = default;
  };
  struct Group {
    Cause cause;
    uint64_t count = 0;
    int64_t last_micros = 0;
    std::shared_ptr<const v1::RequestRecord> example;  // the newest
  };

  // REQUIRES: `record` is safe (request_records.h), and of this reporter.
  void Add(v1::RequestRecord record, const std::string& reporter, int64_t now);
  // Failures that the reporters knew of and did not send.
  void AddLeftOut(uint64_t count, const std::string& reporter, int64_t now);

  // Newest first.
  std::vector<v1::RequestRecord> Find(const v1::RequestFilter& filter) const;
  // Of the slots since `from`; the most frequent first.
  std::vector<Group> Since(int64_t from) const;
  uint64_t LeftOutSince(int64_t from) const;
  size_t size() const { return records_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using Record = std::shared_ptr<const v1::RequestRecord>;
  using Slots = std::map<int64_t, uint64_t>;  // by start
  // One request between two workloads, whoever reports it: both name the workload that was reached,
  // but not always the same service, since a route may have chosen another than was called.
  using RequestKey = std::tuple<std::string, std::string, std::string>;
  static RequestKey KeyOf(const v1::RequestRecord& record);
  struct Kept {
    Record record;
    std::string reporter;
    size_t bytes = 0;
  };
  struct Counted {
    Slots slots;
    Record example;
    int64_t last_micros = 0;
    std::string reporter;  // of the first one
  };

  void Keep(const Record& record, const std::string& reporter);
  void Drop(std::deque<Kept>::iterator kept);
  void DropOldestOf(const std::string& reporter);
  // False: it is counted already, and nothing better is known now.
  bool IsNews(const v1::RequestRecord& record);
  void Count(const Record& record, const std::string& reporter, int64_t slot);
  Cause CauseOf(const v1::RequestRecord& record, const std::string& reporter) const;
  void Forget(std::map<Cause, Counted>::iterator group);
  void Sweep(int64_t now);

  std::deque<Kept> records_;  // in order of arrival
  size_t bytes_ = 0;
  struct Share {
    size_t records = 0;
    size_t bytes = 0;
  };
  std::map<std::string, Share> shares_;  // by reporter; none is empty
  struct CountedAs {
    Cause cause;
    int64_t slot = 0;
  };
  std::map<RequestKey, CountedAs> counted_as_;  // of the records that are kept
  std::map<Cause, Counted> groups_;
  std::map<std::string, size_t> groups_of_;  // by reporter; none is 0
  Slots left_out_;
  // In the slot that is under way.
  struct Told {
    uint64_t counted = 0;
    uint64_t left_out = 0;
  };
  int64_t told_at_ = 0;
  std::map<std::string, Told> told_by_;  // by reporter
  int64_t swept_ = 0;                    // what is older has been forgotten
};

}  // namespace tulle::insight
