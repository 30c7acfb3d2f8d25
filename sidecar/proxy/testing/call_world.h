// One call without connections: what a phase needs, and nothing that it does not.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/loop/sim/simulation.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/decisions.h"
#include "sidecar/proxy/http_chain.h"
#include "sidecar/proxy/phases.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy::testing {

struct NoObserver final : Observer {
  void OnRequestEnd(const Call&) override {}
  void OnRelayEnd(const TcpRelay&) override {}
};

class CallWorld : public ::testing::Test {
 protected:
  CallWorld() {
    head_.method = "GET";
    head_.scheme = "http";
    head_.authority = "web";
    head_.path = "/";
  }

  // Made at first use: http_, direction_ and the like are set before.
  Call& call() {
    if (!call_) {
      auto spec = std::make_shared<config::FilterChainSpec>(chain_spec_);
      spec->proxy = http_;
      chain_.emplace(std::move(spec), direction_, routes_);
      call_.emplace(services_, *chain_, caller_);
      call_->request.head = &head_;
    }
    return *call_;
  }
  // The next call is a new one.
  void Remake() {
    call_.reset();
    chain_.reset();
  }
  // A table whose only host has these routes.
  void Routes(std::vector<route::RouteSpec> routes) {
    route::RouteTableSpec table;
    table.name = "r";
    table.virtual_hosts.push_back({"h", {"*"}, std::move(routes)});
    http_.routes = *route::RouteTable::Compile(std::move(table));
  }
  static route::RouteSpec Forwards(route::ForwardSpec forward = {}) {
    if (forward.clusters.empty()) forward.clusters = {{"c", 1}};
    route::RouteSpec route;
    route.name = "forwards";
    route.action = std::move(forward);
    return route;
  }
  std::string_view Header(std::string_view name) { return Value(head_.headers, name); }
  static std::string_view Value(const http::HeaderMap& headers, std::string_view name) {
    const http::Header* header = headers.Find(name);
    return header == nullptr ? std::string_view("(none)") : header->value;
  }

  sim::Simulation simulation_{5};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Deadlines deadlines_{*loop_};
  upstream::ClusterTable clusters_{*loop_, deadlines_};
  RouteSlots routes_;
  NoObserver observer_;
  Services services_{*loop_, deadlines_, clusters_, routes_, observer_};
  config::FilterChainSpec chain_spec_;
  config::HttpSpec http_;
  config::Direction direction_ = config::Direction::kOutbound;
  Caller caller_{*SocketAddress::Parse("10.0.0.9", 40000), *SocketAddress::Parse("10.0.0.1", 80)};
  Arena arena_{loop_->slab()};
  http::Head head_{arena_};

 private:
  std::optional<HttpChain> chain_;
  std::optional<Call> call_;
};

}  // namespace tulle::proxy::testing
