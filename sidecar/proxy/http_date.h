#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace tulle::proxy {

// The time as the Date header has it (RFC 9110 5.6.7), formatted once a second. Owner: Services.
// Thread: the worker's.
class HttpDate {
 public:
  // Valid until the next call.
  std::string_view At(std::chrono::system_clock::time_point now);

 private:
  int64_t second_ = INT64_MIN;
  char text_[30];  // "Sun, 06 Nov 1994 08:49:37 GMT", and a NUL
};

}  // namespace tulle::proxy
