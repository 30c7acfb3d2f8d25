#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/http/head.h"
#include "sidecar/route/domain_table.h"
#include "sidecar/route/route_spec.h"

namespace tulle::route {

class VirtualHost;

// The first thing about a request that a route does not match.
enum class Mismatch : uint8_t { kNone, kPath, kHeader, kQuery, kGrpc, kFraction };

// A compiled route: what it matches, what it does, and the header changes of all its levels
// (cluster, route, virtual host, table) in the order in which they apply.
class Route {
 public:
  struct Target {
    std::string cluster;
    uint64_t upper = 0;  // of the sum of weights up to this one
    HeaderMutations request_headers;
    HeaderMutations response_headers;
    std::string host_rewrite;  // empty: kept
  };

  const RouteSpec& spec() const { return spec_; }
  const VirtualHost& virtual_host() const { return *virtual_host_; }
  // Null unless the route forwards, redirects or responds directly: exactly one is set.
  const ForwardSpec* forward() const { return std::get_if<ForwardSpec>(&spec_.action); }
  const RedirectSpec* redirect() const { return std::get_if<RedirectSpec>(&spec_.action); }
  const DirectResponseSpec* direct_response() const {
    return std::get_if<DirectResponseSpec>(&spec_.action);
  }
  // One per cluster of a forwarding route; other routes have one without a cluster.
  const std::vector<Target>& targets() const { return targets_; }
  const PathMatch& path() const { return *path_; }
  const re2::RE2* rewrite_regex() const { return rewrite_regex_.get(); }
  // Compiled RetrySpec.response_headers and request_headers.
  const std::vector<match::HeaderMatch>& retriable_response_headers() const {
    return retriable_response_headers_;
  }
  const std::vector<match::HeaderMatch>& retriable_request_headers() const {
    return retriable_request_headers_;
  }

  // As RouteTable::Match decides, with the same `random`. For explanations.
  Mismatch Compare(const http::Head& head, uint64_t random) const;

 private:
  friend class RouteTable;
  struct Query {
    std::string name;
    std::optional<match::StringMatch> value;
    bool present = true;
  };

  absl::Status Compile(const RouteTableSpec& table, const VirtualHostSpec& host);
  absl::Status CompileMatch();
  absl::Status CompileAction();
  void MakeTargets(const RouteTableSpec& table, const VirtualHostSpec& host);
  Mismatch Compare(const http::Head& head, std::string_view path, std::string_view query,
                   uint64_t random) const;

  RouteSpec spec_;
  const VirtualHost* virtual_host_ = nullptr;
  std::optional<PathMatch> path_;
  std::vector<match::HeaderMatch> headers_;
  std::vector<Query> query_;
  std::vector<match::HeaderMatch> retriable_response_headers_;
  std::vector<match::HeaderMatch> retriable_request_headers_;
  std::shared_ptr<const re2::RE2> rewrite_regex_;
  std::vector<Target> targets_;
};

class VirtualHost {
 public:
  const VirtualHostSpec& spec() const { return spec_; }  // without its routes
  const std::vector<Route>& routes() const { return routes_; }

 private:
  friend class RouteTable;
  VirtualHostSpec spec_;
  std::vector<Route> routes_;
};

struct RouteMatch {
  const VirtualHost* virtual_host = nullptr;  // null: no domain matches (404, flag NR)
  const Route* route = nullptr;               // null: no route matches (404, flag NR)
  const Route::Target* target = nullptr;      // set whenever `route` is
};

// One route configuration, compiled. Immutable; shared by workers; destroyed on the main thread.
// Source: envoy.config.route.v3.RouteConfiguration.
class RouteTable {
 public:
  static absl::StatusOr<std::shared_ptr<const RouteTable>> Compile(RouteTableSpec spec);
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // `head` has its authority and path in normalized form (path.h). `random` decides fractions and
  // weights: one value per request, so that a retry stays with its cluster. Does not allocate,
  // unless a matched header is repeated. Time does not grow with the number of virtual hosts.
  RouteMatch Match(const http::Head& head, uint64_t random) const;
  // Null: no domain matches.
  const VirtualHost* HostFor(const http::Head& head) const;

  const std::string& name() const { return name_; }
  const std::vector<VirtualHost>& virtual_hosts() const { return virtual_hosts_; }
  // Each once, sorted: clusters that must be warm before this table is used.
  const std::vector<std::string>& clusters() const { return clusters_; }
  const std::vector<std::string>& internal_only_headers() const { return internal_only_headers_; }

 private:
  RouteTable() = default;
  absl::Status AddVirtualHost(const RouteTableSpec& table, VirtualHostSpec host, uint32_t index);
  void ListClusters();

  std::string name_;
  bool ignore_port_ = false;
  std::vector<VirtualHost> virtual_hosts_;
  DomainTable domains_;
  std::vector<std::string> clusters_;
  std::vector<std::string> internal_only_headers_;
};

}  // namespace tulle::route
