// One sidecar's reports on their way into the book. What a sidecar says of itself is replaced by
// what its certificate says, and the name of a service that it does not serve is left out. Who
// called it is known by its word alone. Owner: the call. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "control-plane/insight/traffic_book.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

class TrafficStream {
 public:
  // Of one stream: as many as a sidecar has rows of metrics, of requests and connections together.
  static constexpr size_t kMostSeries = 4096;
  // Longer names and flags are invalid.
  static constexpr size_t kLongestName = 512;
  static constexpr size_t kLongestFlags = 32;

  // Whether the reporter is a workload of the service of this host.
  using Serves = std::function<bool(const std::string& host, const std::string& reporter)>;
  // `reporter`: the SPIFFE ID of the sidecar's certificate. `book` outlives this.
  TrafficStream(TrafficBook& book, std::string reporter, Serves serves)
      : book_(book), reporter_(std::move(reporter)), serves_(std::move(serves)) {}

  // False: the report is invalid, and the rest of it is not counted.
  bool Add(const v1::Traffic& traffic, int64_t now);

 private:
  struct Series {
    std::shared_ptr<TrafficBook::Row> row;
    Outcome outcome;
  };

  bool Name(const v1::Series& series);
  const Series* Find(uint32_t id) const;

  TrafficBook& book_;
  const std::string reporter_;
  const Serves serves_;
  absl::flat_hash_map<uint32_t, Series> series_;
};

}  // namespace tulle::insight
