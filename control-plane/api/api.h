// The REST API as a function from request to response. It has no transport, so it can be tested
// without one. Each resource is an object of its own (*_resource.h) and lists its routes (route.h);
// this class finds the route and checks the caller's role.
//
// Thread: the store's; Handle() may write and take some milliseconds. Times in seconds since the
// epoch. Bodies are JSON, except that apply takes YAML. Errors: {"error", "field", "line",
// "column", "hint", "problems": [...]}.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/api/account_tokens.h"
#include "control-plane/api/credentials.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/insight/event_book.h"
#include "control-plane/registry/open_breakers.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::insight {
class FailureBook;
class Questions;
class Taps;
class TraceRing;
class TrafficBook;
}  // namespace tulle::insight

namespace tulle::api {

struct ApiRequest {
  std::string method;
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded
  std::string body;
  std::string authorization;  // the header's value
  std::string content_type = {};
  std::string account_token = {};  // of the header kAccountTokenHeader
  // Headers of browsers.
  std::string host = {};
  std::string origin = {};
  std::string if_none_match = {};
};

struct ApiResponse {
  int status = 200;
  std::string body;        // JSON
  std::string event = {};  // who changed what, for the log; empty: nothing was changed
  std::vector<insight::Event> happened = {};  // the same for /v1/events
  // Of a body that is too much work for one turn of the loop: appends the next piece of it, which
  // may be empty, after `body`; false: that was the last one. Absent: `body` is all. The Api
  // outlives it.
  std::function<bool(std::string*)> more = {};
  // Set: others have to be asked first, and the rest of this does not count. Call it once: it runs
  // what it is passed once, with a response that is not later itself, and perhaps at once.
  using Respond = std::function<void(ApiResponse)>;
  std::function<void(Respond)> later = {};

  // The whole body at once.
  std::string WholeBody() const {
    std::string whole = body;
    while (more && more(&whole)) continue;
    return whole;
  }
};

// What the head of a request says about it, before its body is read.
struct ApiVerdict {
  std::optional<ApiResponse> refusal;  // the answer; the body is of no use
  // The caller has shown a valid credential. Without one only requests that need no body pass.
  bool is_identified = false;
  // Ask accounts() about the token, then Admit() again; until then `refusal` is the answer.
  bool awaits_account = false;
};

// The state of one proxy, as the xDS server sees it.
struct ProxyStatus {
  struct TypeStatus {
    std::string type;  // "clusters", "listeners", ...
    std::string sent_version;
    std::string acknowledged_version;
    std::string rejected_resource;  // of the last NACK that is still in effect
    std::string rejection;
  };
  std::string name;  // node id
  std::string pod;   // NAMESPACE/NAME of its pod; empty: it is none of Kubernetes
  std::string spiffe_id;
  std::string address;
  std::string program;  // with its version, as it was connected last: "tulle 0.1.0"
  bool is_connected = false;
  bool is_synced = false;  // it has accepted everything that it would be sent now
  int64_t connected_since = 0;
  int64_t certificate_not_after = 0;
  std::string certificate_also_used_by;  // "NAME at HOST"; empty: by this proxy alone
  // Of all types together.
  std::string sent_version;
  std::string acknowledged_version;
  std::vector<TypeStatus> types;
  // What it cannot do, by its own word: listeners that cannot listen; a refused registration.
  std::vector<std::string> problems;

  // As users know it.
  const std::string& shown_name() const { return pod.empty() ? name : pod; }
};

// The state of the running control plane that the API shows. Implemented by the server, faked in
// tests.
class ControlPlaneView {
 public:
  virtual ~ControlPlaneView() = default;
  // Ordered by name. kRejections: `types` is filled only for those that reject something.
  enum class Detail { kRejections, kAll };
  struct ProxyRange {
    Detail detail = Detail::kAll;
    std::string after = {};  // names that follow this one; empty: from the first
    size_t most = SIZE_MAX;
  };
  virtual std::vector<ProxyStatus> Proxies(const ProxyRange& range) const = 0;
  virtual std::optional<ProxyStatus> ProxyNamed(const std::string& name) const = 0;
  // What a proxy holds of one type, as it is now; of one that is not connected, what it may see.
  virtual snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                           std::string_view type_url) const = 0;
  virtual const discovery::Mesh& CurrentMesh() const = 0;
  virtual const discovery::ServiceTable& Services() const = 0;  // of CurrentMesh()
  // Policies that are read from a Kubernetes cluster, and changed there.
  virtual const policy::PolicySet& ClusterPolicies() const {
    static const policy::PolicySet none;
    return none;
  }
  // Whether users write policies of this kind to the cluster's API server.
  virtual bool IsServedByCluster(policy::Kind) const { return false; }
  // Whether the mesh is that of a Kubernetes cluster: proxies are pods', without leases.
  virtual bool IsInCluster() const { return false; }
  // Policies and routes of the cluster that are not in force, as KIND NAMESPACE/NAME, and why.
  virtual std::map<std::string, std::string> RefusedPolicies() const { return {}; }
  // Routes of the cluster with a backend that cannot be used, and why.
  virtual std::map<std::string, std::string> UnresolvedRoutes() const { return {}; }
  // Pods of the cluster that should have a sidecar and have none: how many, by namespace.
  virtual std::map<std::string, size_t> PodsWithoutSidecar() const { return {}; }
  virtual size_t HeldLeases() const = 0;
  // By the word of the proxies.
  virtual const registry::OpenBreakers& OpenBreakers() const = 0;
  // Port at which sidecars are served; 0: unknown.
  virtual uint16_t GrpcPort() const { return 0; }
};

struct Route;

// What is known of single requests, and who is asked about them. Null: nothing, and nobody.
struct LiveParts {
  const insight::FailureBook* failures = nullptr;
  insight::Questions* questions = nullptr;
  insight::Taps* taps = nullptr;
};

class Api {
 public:
  // All pointers outlive the Api. `on_change` is called after each change of policies, roots or
  // identities.
  struct Parts {
    discovery::PolicyBook* policies;
    ca::MeshAuthority* authority;
    ca::JoinTokens* tokens;
    Credentials* credentials;
    const ControlPlaneView* view;
    std::function<void()> on_change;
    std::string version;
    const insight::TraceRing* traces = nullptr;     // null: traces are not kept
    const insight::TrafficBook* traffic = nullptr;  // null: the same of traffic
    store::Store* store = nullptr;                  // for backups
    // Removes the registrations of a SPIFFE ID; returns the instances.
    std::function<std::vector<std::string>(const std::string& spiffe_id)> remove_workloads =
        [](const std::string&) { return std::vector<std::string>(); };
    // Workloads whose proxies do not register themselves. Unset: there are none.
    std::function<absl::Status(discovery::Workload)> register_workload = {};
    std::function<absl::Status(const std::string& instance)> remove_workload = {};
    LiveParts live = {};                         // all three, or none
    const insight::EventBook* events = nullptr;  // null: events are not kept
  };

  explicit Api(Parts parts);
  // Null, as at first: there is no Kubernetes cluster that knows them.
  void SetAccounts(AccountTokens* accounts) { accounts_ = accounts; }
  AccountTokens* accounts() { return accounts_; }
  // What /v1/metrics shows, in Prometheus' format. Null, as at first: nothing.
  void SetMetrics(std::function<std::string()> metrics) { metrics_ = std::move(metrics); }
  ~Api();
  Api(const Api&) = delete;

  // `head`: a request without its body.
  ApiVerdict Admit(const ApiRequest& head);
  // Checks the same again: the credential may have been deleted while the body came in.
  ApiResponse Handle(const ApiRequest& request, int64_t now);

 private:
  class Resources;
  // What a request asks for, and who does.
  struct Target;

  // Sets `target`, or returns the answer to a request that is refused.
  std::optional<ApiResponse> Find(const ApiRequest& request, Target* target);
  std::optional<ApiResponse> Authorize(const ApiRequest& request, Target* target);

  absl::StatusOr<std::optional<Principal>> CallerOf(const ApiRequest& request, Target* target);

  Credentials* credentials_;
  AccountTokens* accounts_ = nullptr;
  std::function<std::string()> metrics_;
  std::unique_ptr<Resources> resources_;
  std::vector<Route> routes_;
  ApiResponse description_;  // of the API, once it was asked for
};

}  // namespace tulle::api
