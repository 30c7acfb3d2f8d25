#include "tests/scale/dashboard_reader.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <thread>

namespace tulle::scale {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kEvery{5};

}  // namespace

absl::Status DashboardReader::ReadFor(int seconds) {
  const auto begin = Clock::now();
  for (auto next = begin; next - begin < std::chrono::seconds(seconds); next += kEvery) {
    std::this_thread::sleep_until(next);
    if (absl::Status read = ReadAll(); !read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status DashboardReader::ReadAll() {
  struct Page {
    std::string path;
    std::map<std::string, std::string> query;
  };
  const std::array<Page, 5> pages = {{
      {"/v1/traffic", {{"window", "60"}}},
      {"/v1/services", {}},
      {"/v1/proxies", {}},
      {"/v1/traffic/history", {{"service", service_}, {"window", "3600"}, {"step", "60"}}},
      {"/v1/failures", {{"window", "3600"}}},
  }};
  for (const Page& page : pages) {
    const auto begin = Clock::now();
    const auto body = api_.Get(page.path, page.query);
    if (!body.ok()) return body.status();
    slowest_seconds_ =
        std::max(slowest_seconds_, std::chrono::duration<double>(Clock::now() - begin).count());
    most_bytes_ = std::max(most_bytes_, body->size());
  }
  return absl::OkStatus();
}

}  // namespace tulle::scale
