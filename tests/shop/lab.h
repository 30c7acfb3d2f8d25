// The shop's lab: a service that fails, delays and counts on request.
#ifndef TESTS_SHOP_LAB_H_
#define TESTS_SHOP_LAB_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "tests/shop/wire.h"

namespace tulle::shop {

// GET /flaky/PERCENT  500 to that share of requests    GET /status/CODE   that status
// GET /slow/MS        200 after that time              GET /switch        503 until POST /heal
// GET /seen           how many of these came, and when (milliseconds); POST /forget begins anew.
// Safe to use from many threads.
class Lab {
 public:
  Response Answer(const Request& request);

 private:
  uint64_t Record();
  Response Seen();
  void Forget();

  std::mutex mutex_;
  std::vector<int64_t> arrivals_;
  bool broken_ = true;
};

}  // namespace tulle::shop

#endif  // TESTS_SHOP_LAB_H_
