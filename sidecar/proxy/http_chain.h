#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "net/base/pin.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {

// The current version of one route configuration on one worker; empty until it has arrived.
struct RouteSlot {
  Pin<route::RouteTable> table;
};

// Route configurations by name (RDS). Slots keep their addresses, since chains point to them.
// Owner: Worker. Thread: the worker's.
class RouteSlots {
 public:
  RouteSlot& Slot(std::string_view name) {
    std::unique_ptr<RouteSlot>& slot = slots_[absl::string_view(name.data(), name.size())];
    if (slot == nullptr) slot = std::make_unique<RouteSlot>();
    return *slot;
  }

 private:
  absl::flat_hash_map<std::string, std::unique_ptr<RouteSlot>> slots_;
};

// One HTTP filter chain of a listener on one worker. Owners: ListenerChains, and the connections
// that were accepted with it. Thread: the worker's.
struct HttpChain {
  HttpChain(std::shared_ptr<const config::FilterChainSpec> chain, config::Direction traffic,
            RouteSlots& slots)
      : owner(std::move(chain)),
        spec(std::get<config::HttpSpec>(owner->proxy)),
        direction(traffic) {
    if (spec.routes != nullptr) {
      inline_routes.table = Pin<route::RouteTable>(spec.routes);
      routes = &inline_routes;
    } else {
      routes = &slots.Slot(spec.rds_name);
    }
  }

  std::shared_ptr<const config::FilterChainSpec> owner;
  const config::HttpSpec& spec;
  config::Direction direction;
  RouteSlot inline_routes;
  RouteSlot* routes;
  // Bytes of request body kept for a retry.
  size_t replay_limit = 64 * 1024;
};

}  // namespace tulle::proxy
