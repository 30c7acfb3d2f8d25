#include "control-plane/registry/open_breakers.h"

#include <algorithm>
#include <utility>

namespace tulle::registry {
namespace {

constexpr size_t kLongestCluster = 320;  // a host name and a port
constexpr size_t kLongestEndpoint = 64;
constexpr size_t kLongestCause = 40;

bool IsShown(std::string_view text, size_t longest) {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool IsShown(const OpenBreaker& breaker) {
  return IsShown(breaker.cluster, kLongestCluster) && IsShown(breaker.endpoint, kLongestEndpoint) &&
         IsShown(breaker.cause, kLongestCause);
}

}  // namespace

void OpenBreakers::Put(const std::string& instance, std::string_view identity, Report report) {
  Forget(instance);
  if (report.count == 0 || known_.size() >= kMostInstances) return;
  std::erase_if(report.items, [](const OpenBreaker& one) { return !IsShown(one); });
  const auto of_identity = items_of_.find(identity);
  const size_t others = of_identity == items_of_.end() ? 0 : of_identity->second;
  const size_t size = report.items.size();
  if (size > kMostItemsOfOneInstance || others + size > kMostItemsOfOneIdentity ||
      items_ + size > kMostItems) {
    report.items.clear();
  }
  report.items.shrink_to_fit();
  items_ += report.items.size();
  if (!report.items.empty()) items_of_[std::string(identity)] += report.items.size();
  known_[instance] = {std::move(report), std::string(identity)};
}

void OpenBreakers::Forget(const std::string& instance) {
  const auto found = known_.find(instance);
  if (found == known_.end()) return;
  const size_t size = found->second.report.items.size();
  items_ -= size;
  if (const auto of = items_of_.find(found->second.identity); of != items_of_.end()) {
    of->second -= size;
    if (of->second == 0) items_of_.erase(of);
  }
  known_.erase(found);
}

const OpenBreakers::Report& OpenBreakers::Of(const std::string& instance) const {
  static const Report none;
  const auto found = known_.find(instance);
  return found == known_.end() ? none : found->second.report;
}

void OpenBreakers::ForEach(
    const std::function<void(const std::string&, const OpenBreaker&)>& visit) const {
  for (const auto& [instance, known] : known_) {
    for (const OpenBreaker& breaker : known.report.items) visit(instance, breaker);
  }
}

}  // namespace tulle::registry
