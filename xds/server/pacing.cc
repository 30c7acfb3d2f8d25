#include "xds/server/pacing.h"

#include "xds/proto/type_urls.h"

namespace tulle::xds {

void Pacing::OnSent(std::string_view type_url, loop::Instant now) {
  sent_.insert_or_assign(std::string(type_url), now);
}

void Pacing::OnAnswered(std::string_view type_url) {
  if (const auto found = sent_.find(type_url); found != sent_.end()) sent_.erase(found);
}

bool Pacing::Outstanding(std::string_view type_url, loop::Instant now) const {
  const auto found = sent_.find(type_url);
  return found != sent_.end() && now < found->second + kLongestWait;
}

bool Pacing::MustWait(std::string_view type_url, loop::Instant now) const {
  if (!NamesClusters(type_url)) return false;
  return Outstanding(kClusterType, now) || Outstanding(kEndpointType, now);
}

bool Pacing::TrafficSettled(loop::Instant now) const {
  return !Outstanding(kListenerType, now) && !Outstanding(kRouteType, now);
}

std::optional<loop::Instant> Pacing::Deadline(loop::Instant now) const {
  std::optional<loop::Instant> first;
  for (const auto& [type, at] : sent_) {
    const loop::Instant over = at + kLongestWait;
    if (over > now && (!first.has_value() || over < *first)) first = over;
  }
  return first;
}

}  // namespace tulle::xds
