// Requests of a tap counted by caller, service, method and path, for `tullectl top`. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

class RequestCounts {
 public:
  // Paths may be many: beyond this the row that was added to longest ago goes.
  static constexpr size_t kMostRows = 2000;

  struct Row {
    std::string caller;
    std::string service;
    std::string method;
    std::string path;
    uint64_t count = 0;
    uint64_t failures = 0;
    int64_t best_micros = 0;
    int64_t worst_micros = 0;
    int64_t last_micros = 0;
  };

  // A record of /v1/taps.
  void Add(const Json& record);
  // The busiest first, as many as `most`. A request is counted once: by its caller's sidecar, if
  // that reports.
  std::vector<Row> Busiest(size_t most) const;

 private:
  struct Counted {
    Row row;
    uint64_t added = 0;  // when, in records
  };
  // Whether the caller says so, then caller, service, method and path.
  using Key = std::tuple<bool, std::string, std::string, std::string, std::string>;

  void MakeRoom();

  std::map<Key, Counted> rows_;
  std::set<std::string> tellers_;  // callers whose sidecars report
  uint64_t records_ = 0;
};

}  // namespace tulle::cli
