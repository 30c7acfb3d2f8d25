// One sidecar's reports on their way into the book. What a sidecar says of itself is replaced by
// what its certificate says, and the name of a service that it does not serve is left out. Who
// called it is known by its word alone, and so is how much it has called others: only what no
// machine can do is refused. Owner: the call. Thread: the loop's. Times in seconds since the epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "control-plane/insight/reporter_shares.h"
#include "control-plane/insight/traffic_book.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

// Whether its names can be those of a report.
bool IsValid(const Edge& edge);

class TrafficStream {
 public:
  // Of one stream: as many as a sidecar has rows of metrics, of requests and connections together.
  static constexpr size_t kMostSeries = 4096;
  // Longer names are invalid.
  static constexpr size_t kLongestName = 512;
  // What a sidecar can do in a second: requests and connections together, and bytes. A report of
  // more in the time since the last one is invalid; the first one may tell of two minutes.
  static constexpr uint64_t kMostRequestsPerSecond = 1'000'000;
  static constexpr uint64_t kMostBytesPerSecond = 100'000'000'000;

  // Whether the reporter is a workload of the service of this host.
  using Serves = std::function<bool(const std::string& host, const std::string& reporter)>;
  // `reporter`: the SPIFFE ID of the sidecar's certificate; `share` is its. Both outlive this, and
  // so does `book`.
  TrafficStream(TrafficBook& book, ReporterShare& share, std::string reporter, Serves serves)
      : book_(book), share_(share), reporter_(std::move(reporter)), serves_(std::move(serves)) {}

  // False: the report is invalid, and the rest of it is not counted.
  bool Add(const v1::Traffic& traffic, int64_t now);
  // That it has named: their number in the share of the reporter.
  size_t series() const { return series_.size(); }

 private:
  struct Series {
    std::shared_ptr<TrafficBook::Row> row;
    Outcome outcome;
  };

  bool Name(const v1::Series& series);
  const Series* Find(uint32_t id) const;
  bool IsPossible(const v1::Traffic& traffic, int64_t now);

  TrafficBook& book_;
  ReporterShare& share_;
  const std::string reporter_;
  const Serves serves_;
  absl::flat_hash_map<uint32_t, Series> series_;
  int64_t last_report_ = 0;  // 0: none yet
};

}  // namespace tulle::insight
