#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "net/loop/loop.h"

namespace tulle::xds {

// When a response of a type may go out: one at a time per type; listeners and routes wait until
// clusters and endpoints are acknowledged (Envoy acknowledges clusters when they are warm), but not
// for ever. Pure. Owner: a session.
class Pacing {
 public:
  static constexpr loop::Duration kLongestWait = std::chrono::seconds(5);

  void OnSent(std::string_view type_url, loop::Instant now);
  void OnAnswered(std::string_view type_url);

  bool in_flight(std::string_view type_url) const { return sent_.contains(type_url); }
  // Something that the type waits for is not acknowledged.
  bool MustWait(std::string_view type_url, loop::Instant now) const;
  // Whether listeners and routes stand as they were last sent: clusters may go.
  bool TrafficSettled(loop::Instant now) const;
  // When what waits need wait no more.
  std::optional<loop::Instant> Deadline(loop::Instant now) const;

 private:
  bool Outstanding(std::string_view type_url, loop::Instant now) const;
  std::map<std::string, loop::Instant, std::less<>> sent_;
};

}  // namespace tulle::xds
