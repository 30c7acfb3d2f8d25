#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/http/head.h"
#include "sidecar/match/header_match.h"

namespace tulle::policy {

// envoy.extensions.filters.http.fault.v3.HTTPFault.
struct FaultSpec {
  struct Delay {
    std::chrono::milliseconds fixed{0};
    bool by_header = false;  // taken from x-envoy-fault-delay-request
    uint32_t per_million = 0;
  };
  struct Abort {
    int status = 0;
    int grpc_status = -1;    // -1: an HTTP status
    bool by_header = false;  // taken from x-envoy-fault-abort-request or -grpc-request
    uint32_t per_million = 0;
  };
  std::optional<Delay> delay;
  std::optional<Abort> abort;
  std::vector<match::HeaderSpec> headers;  // all of them; none: every request
  std::string cluster;                     // empty: any
  std::optional<uint32_t> most_active;
};

// Injected delays and failures, for testing. Shared by workers; any thread.
class FaultInjection {
 public:
  static absl::StatusOr<std::shared_ptr<FaultInjection>> Compile(FaultSpec spec);

  bool Matches(const http::Head& head, std::string_view cluster) const;
  // How long to wait if a delay was drawn; empty: no delay.
  std::optional<std::chrono::milliseconds> DrawDelay(const http::Head& head, uint64_t random) const;
  struct Answer {
    int status = 0;
    int grpc_status = -1;
  };
  std::optional<Answer> DrawAbort(const http::Head& head, uint64_t random) const;

  // Starts one fault; false: max_active_faults is reached.
  bool TryEnter();
  void Leave() { active_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  FaultSpec spec_;
  std::vector<match::HeaderMatch> headers_;
  std::atomic<uint32_t> active_{0};
};

}  // namespace tulle::policy
