#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tulle::proxy {

// What X-RateLimit-* say.
struct LimitTold {
  uint32_t limit;
  uint32_t remaining;
  uint64_t reset_seconds;
};

// Of an answer that policy gives, where it differs from what the failure's kind says. Owner:
// Exchange.
struct PolicyAnswer {
  int status = 0;            // 0: the failure's
  int grpc_status = -1;      // -1: the failure's
  uint64_t retry_after = 0;  // seconds; 0: not told
  const std::vector<std::pair<std::string, std::string>>* headers = nullptr;
};

}  // namespace tulle::proxy
