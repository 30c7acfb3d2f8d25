#include "tests/shop/lab.h"

#include <cstdlib>
#include <string_view>
#include <thread>

namespace tulle::shop {
namespace {

Response Text(int status, std::string body) {
  return {status, {{"content-type", "text/plain"}}, std::move(body)};
}

// The number after `prefix`; -1: the target does not begin with it.
int64_t NumberAfter(const std::string& target, std::string_view prefix) {
  if (target.compare(0, prefix.size(), prefix) != 0 || target.size() == prefix.size()) return -1;
  return std::atoll(target.c_str() + prefix.size());
}

// SplitMix64: the same share in every run, without a pattern.
uint64_t Mix(uint64_t number) {
  uint64_t z = (number + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Response Lab::Answer(const Request& request) {
  if (request.target == "/seen") return Seen();
  if (request.method == "POST") {
    if (request.target == "/forget") Forget();
    const std::lock_guard lock(mutex_);
    if (request.target == "/heal") broken_ = false;
    if (request.target == "/break") broken_ = true;
    return Text(200, "so be it");
  }
  const uint64_t number = Record();
  if (const int64_t percent = NumberAfter(request.target, "/flaky/"); percent >= 0)
    return Text(Mix(number) % 100 < static_cast<uint64_t>(percent) ? 500 : 200, "perhaps");
  if (const int64_t status = NumberAfter(request.target, "/status/"); status >= 0)
    return Text(static_cast<int>(status), "as you wish");
  if (const int64_t wait = NumberAfter(request.target, "/slow/"); wait >= 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    return Text(200, "at last");
  }
  if (request.target != "/switch") return Text(404, "the lab does not know " + request.target);
  const std::lock_guard lock(mutex_);
  return broken_ ? Text(503, "broken") : Text(200, "healed");
}

uint64_t Lab::Record() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::lock_guard lock(mutex_);
  arrivals_.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  return arrivals_.size();
}

Response Lab::Seen() {
  const std::lock_guard lock(mutex_);
  std::string list;
  for (const int64_t at : arrivals_) list += (list.empty() ? "" : ",") + std::to_string(at);
  return {200,
          {{"content-type", "application/json"}},
          "{\"count\":" + std::to_string(arrivals_.size()) + ",\"at_ms\":[" + list + "]}"};
}

void Lab::Forget() {
  const std::lock_guard lock(mutex_);
  arrivals_.clear();
  broken_ = true;
}

}  // namespace tulle::shop
