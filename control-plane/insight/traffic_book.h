// Who calls what, how often, how fast and how well: the last hour, from the reports of sidecars, in
// memory. Knows no protocol. Owner: ControlPlane. Thread: the loop's. Times in seconds since the
// epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "control-plane/insight/traffic.h"

namespace tulle::insight {

class TrafficBook {
 public:
  static constexpr int64_t kSlotSeconds = 10;
  static constexpr int64_t kFineSeconds = 300;  // slots that are older than this are a minute long
  static constexpr int64_t kKeptSeconds = 3600;
  // Beyond this the oldest slots are dropped before their time.
  static constexpr size_t kMostBytes = 64 * 1024 * 1024;
  static constexpr size_t kMostEdges = 20'000;
  // Of one reporter (SPIFFE ID), so that it cannot take the room of others.
  static constexpr size_t kMostEdgesOfOne = 2'000;
  // Beyond kMostBytes, the oldest slots of those that have more are dropped first.
  static constexpr size_t kMostBytesOfOne = kMostBytes / 8;
  // Of one slot; further ones count as requests alone.
  static constexpr size_t kMostOutcomes = 8;

  // `now`: of the start. What was before is unknown.
  explicit TrafficBook(int64_t now);
  ~TrafficBook();
  TrafficBook(const TrafficBook&) = delete;

  // One edge's row. Kept by who adds to it; a row that has been silent for an hour and is not kept
  // is forgotten. Beyond the limits: a row for all other services of the same reporter.
  // REQUIRES: `edge.protocol` is one of a closed list.
  class Row;
  std::shared_ptr<Row> RowOf(const Edge& edge);
  // `buckets`: at most kBuckets, zeros at the end left out.
  void AddRequests(Row& row, const Outcome& outcome, std::span<const uint32_t> buckets,
                   int64_t now);
  void AddConnections(Row& row, const Connections& gained, int64_t now);

  // What was written down of an earlier run, before anything else is added: by `start`, the slot's,
  // each edge in ascending order.
  void Restore(const Edge& edge, int64_t start, const Traffic& traffic);

  // In whole slots: the first one contains `from`, the last one begins before `until`. Edges
  // without traffic in them are left out.
  std::vector<EdgeTraffic> Between(int64_t from, int64_t until) const;
  // Adds each slot from `from` on to one of the steps that `of` returns for its edge, each `step`
  // long; null: the edge is left out. What is later than the last step is left out too.
  using Steps = std::vector<Traffic>;
  void AddSteps(int64_t from, int64_t step, const std::function<Steps*(const Edge&)>& of) const;
  // From when on Between(from, ...) tells everything: the beginning of the slot (of the minute, if
  // slots of that time have been merged), and not before the start. It may tell less of a reporter
  // that has had more than its share of the bytes.
  int64_t SlotStart(int64_t from) const;
  // The newest slots that are over, as many as `window` seconds need: of a slot that is not, only
  // some sidecars have reported, and rates would jump. None is over since the start: what there is.
  struct Period {
    int64_t from = 0;
    int64_t until = 0;  // after `from`
  };
  Period Newest(int64_t window, int64_t now) const;

  // Drops and merges old slots. At least after each report; costs nothing if it was done in the
  // last ten seconds.
  void Sweep(int64_t now);
  size_t edges() const { return rows_.size(); }
  // At the last sweep.
  size_t bytes() const { return bytes_; }

 private:
  struct Slot;
  // Of one reporter.
  struct Share {
    size_t rows = 0;
    size_t bytes = 0;  // at the last sweep
  };
  void SweepRows(int64_t now);
  void SweepLargeShares(int64_t now);
  // Returns whether a share is too large.
  bool DropBefore(int64_t oldest);
  void Forget(const Edge& edge);
  int64_t FirstSlot(int64_t now) const;
  int64_t SlotOf(int64_t time) const;

  int64_t started_;
  std::map<Edge, std::shared_ptr<Row>> rows_;
  std::map<std::string, Share> shares_;  // by reporter; none is without rows
  int64_t swept_ = 0;
  int64_t oldest_ = 0;  // start of the first slot that is kept
  size_t bytes_ = 0;
};

}  // namespace tulle::insight
