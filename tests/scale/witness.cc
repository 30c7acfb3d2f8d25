#include "tests/scale/witness.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "xds/proto/type_urls.h"

namespace tulle::scale {
namespace {

constexpr size_t kMostErrors = 5;

}  // namespace

std::string MoverAddress(int number) {
  return absl::StrCat(absl::string_view(kMoverPrefix.data(), kMoverPrefix.size()), number >> 8, ".",
                      number & 255);
}

std::optional<int> MoverNumberIn(std::string_view bytes) {
  const size_t at = bytes.find(kMoverPrefix);
  if (at == std::string_view::npos) return std::nullopt;
  const char* end = bytes.data() + bytes.size();
  int high = 0;
  int low = 0;
  const auto first = std::from_chars(bytes.data() + at + kMoverPrefix.size(), end, high);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return std::nullopt;
  if (std::from_chars(first.ptr + 1, end, low).ec != std::errc()) return std::nullopt;
  return high * 256 + low;
}

void Witness::OnUpdate(int proxy, const xds::Update& update) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (!update.resources.empty() || !update.removed.empty()) seen_.final_update = now;
  for (const xds::ReceivedResource& resource : update.resources) {
    if (update.type_url == expected_type_ &&
        (expected_name_.empty() || resource.name == expected_name_) &&
        received_.insert(proxy).second) {
      seen_.last = now;
    }
    if (update.type_url != xds::kEndpointType || resource.name != moved_) continue;
    const std::optional<int> number = MoverNumberIn(resource.bytes);
    if (number) sightings_[proxy].push_back({*number, now});
  }
}

void Witness::OnReady(int proxy) {
  const std::lock_guard lock(mutex_);
  if (ready_.insert(proxy).second) ready_since_ = Clock::now();
}

void Witness::OnLost(int proxy) {
  const std::lock_guard lock(mutex_);
  ready_.erase(proxy);
}

void Witness::OnServed(int proxy) {
  const std::lock_guard lock(mutex_);
  served_.insert(proxy);
}

void Witness::OnError(const std::string& error) {
  const std::lock_guard lock(mutex_);
  if (++error_count_ <= kMostErrors) errors_.push_back(error);
}

void Witness::Expect(std::string_view type_url, std::string_view name) {
  const std::lock_guard lock(mutex_);
  expected_type_ = std::string(type_url);
  expected_name_ = std::string(name);
  received_.clear();
  seen_ = {};
}

Witness::Seen Witness::seen() {
  const std::lock_guard lock(mutex_);
  seen_.proxies = received_.size();
  return seen_;
}

size_t Witness::ready() {
  const std::lock_guard lock(mutex_);
  return ready_.size();
}

Clock::time_point Witness::ready_since() {
  const std::lock_guard lock(mutex_);
  return ready_since_;
}

size_t Witness::served() {
  const std::lock_guard lock(mutex_);
  return served_.size();
}

void Witness::WatchMover(std::string_view endpoints) {
  const std::lock_guard lock(mutex_);
  moved_ = std::string(endpoints);
  sightings_.clear();
}

std::optional<Clock::time_point> Witness::AllSaw(int number, size_t proxies) {
  const std::lock_guard lock(mutex_);
  if (sightings_.size() < proxies) return std::nullopt;
  Clock::time_point latest{};
  for (const auto& [proxy, sightings] : sightings_) {
    const auto first =
        std::partition_point(sightings.begin(), sightings.end(),
                             [&](const Sighting& one) { return one.number < number; });
    if (first == sightings.end()) return std::nullopt;
    latest = std::max(latest, first->at);
  }
  return latest;
}

std::vector<std::string> Witness::errors() {
  const std::lock_guard lock(mutex_);
  return errors_;
}

size_t Witness::error_count() {
  const std::lock_guard lock(mutex_);
  return error_count_;
}

}  // namespace tulle::scale
