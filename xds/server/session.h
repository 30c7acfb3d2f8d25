#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "net/loop/loop.h"
#include "xds/server/view.h"

namespace envoy::config::core::v3 {
class Node;
}

namespace tulle::xds {

enum class Delivery : uint8_t { kSent, kAcknowledged, kRejected };

// How a client received one resource.
struct ResourceStatus {
  std::string version;
  Delivery delivery = Delivery::kSent;
  std::string error;  // the client's message; kRejected only
};
using TypeStatus = std::map<std::string, ResourceStatus, std::less<>>;  // by name

// The same, without copies: valid during a visit.
struct HeldResource {
  std::string_view name;
  std::string_view version;
  Delivery delivery = Delivery::kSent;
  std::string_view error;
};

// Told which resources a session subscribes to, so that a change finds the sessions that it
// concerns. Each call changes something: a name is watched at most once by a session.
class SubscriptionObserver {
 public:
  virtual ~SubscriptionObserver() = default;
  virtual void OnSubscribed(std::string_view type_url, const std::string& name) = 0;
  virtual void OnUnsubscribed(std::string_view type_url, const std::string& name) = 0;
  virtual void OnWildcard(std::string_view type_url, bool subscribed) = 0;
};

// One aggregated discovery stream as a state machine: requests, views and changes in, responses
// out. No I/O, no clock. After each call of OnRequest, SetView or OnChanged call Next() until it
// returns nothing or there is no room to send; changes in the meantime are coalesced.
//
// Owner: AdsServer, one per stream. Source: xDS REST and gRPC protocol.
class Session {
 public:
  virtual ~Session() = default;
  // Not OK: end the stream with that status.
  virtual absl::Status OnRequest(std::string_view bytes) = 0;
  // Null until the first request.
  virtual const envoy::config::core::v3::Node* node() const = 0;
  // Null until SetView().
  virtual const View* view() const = 0;
  // Every subscribed resource may have changed.
  virtual void SetView(std::shared_ptr<const View> view) = 0;
  // This resource may have changed. False: this client does not receive it.
  virtual bool OnChanged(std::string_view type_url, const std::string& name) = 0;
  // Sends it again although it has not changed; until that is answered it is not acknowledged.
  // False: this client does not receive it.
  virtual bool Resend(std::string_view type_url, const std::string& name) = 0;
  virtual std::optional<std::string> Next(loop::Instant now) = 0;
  // When to call Next() again even if nothing happens.
  virtual std::optional<loop::Instant> Deadline(loop::Instant now) const = 0;

  // The client has asked for listeners, and has accepted everything that it would be sent now.
  virtual bool IsSynced() const = 0;
  // Changes whenever a resource is rejected, or is not rejected any more.
  virtual uint64_t rejection_changes() const = 0;
  // The version of one resource that the client has acknowledged, empty: none.
  virtual std::string Acknowledged(std::string_view type_url, std::string_view name) const = 0;
  // The types that the client has asked for, and what it holds of one, in order of names.
  using Visit = std::function<void(const HeldResource&)>;
  virtual std::vector<std::string_view> RequestedTypes() const = 0;
  virtual void ForEach(std::string_view type_url, const Visit& visit) const = 0;
};

// Limits on what one stream may ask for.
inline constexpr size_t kMostNames = 100'000;
inline constexpr size_t kLongestName = 1024;
// Listeners that do not exist and are sent once they do; beyond that a miss is answered and
// forgotten.
inline constexpr size_t kMostMisses = 1000;
// gRPC clients accept 4 MiB by default.
inline constexpr size_t kResponseBytes = 3 * 1024 * 1024;

// `observer` may be null; it outlives the session.
std::unique_ptr<Session> NewDeltaSession(SubscriptionObserver* observer = nullptr);
std::unique_ptr<Session> NewStateSession(SubscriptionObserver* observer = nullptr);  // SotW

}  // namespace tulle::xds
