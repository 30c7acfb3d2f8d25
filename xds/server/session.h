#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "net/loop/loop.h"
#include "xds/server/view.h"

namespace envoy::config::core::v3 {
class Node;
}

namespace tulle::xds {

enum class Delivery : uint8_t { kSent, kAcknowledged, kRejected };

// What a client made of one resource.
struct ResourceStatus {
  std::string version;
  Delivery delivery = Delivery::kSent;
  std::string error;  // the client's words; kRejected only
};
using TypeStatus = std::map<std::string, ResourceStatus, std::less<>>;  // by name

// One aggregated discovery stream as a state machine: requests and views in, responses out. No I/O,
// no clock. After OnRequest or SetView ask Next() for as long as it gives something and there is
// room to send; what changes meanwhile is coalesced.
//
// Owner: AdsServer, one a stream. Source: xDS REST and gRPC protocol.
class Session {
 public:
  virtual ~Session() = default;
  // Not OK: end the stream with that status.
  virtual absl::Status OnRequest(std::string_view bytes) = 0;
  // Null until the first request has come.
  virtual const envoy::config::core::v3::Node* node() const = 0;
  virtual void SetView(std::shared_ptr<const View> view) = 0;
  virtual std::optional<std::string> Next(loop::Instant now) = 0;
  // When to ask Next() again although nothing has come in.
  virtual std::optional<loop::Instant> Deadline(loop::Instant now) const = 0;
  // By type URL.
  virtual std::map<std::string, TypeStatus, std::less<>> Statuses() const = 0;
};

// Bounds on what one stream may ask for.
inline constexpr size_t kMostNames = 100'000;
// Listeners that do not exist and are pushed if they appear; beyond that a miss is answered and
// forgotten.
inline constexpr size_t kMostMisses = 1000;
// gRPC clients take 4 MiB by default.
inline constexpr size_t kResponseBytes = 3 * 1024 * 1024;

std::unique_ptr<Session> NewDeltaSession();
std::unique_ptr<Session> NewStateSession();  // state of the world

}  // namespace tulle::xds
