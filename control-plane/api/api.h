// The REST API as a function from request to response: no transport, so that it is tested without
// one.
//
// Thread: the store's; Handle() may write and therefore take some milliseconds. Times in seconds
// since the epoch. Bodies are JSON but for apply, which takes YAML. Errors: {"error", "field",
// "line", "hint", "problems": [...]}. Roles: a reader may GET, an admin everything; without a
// credential only /v1/version and /openapi.json answer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/api/credentials.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/snapshot/snapshot.h"

namespace tulle::insight {
class TraceRing;
}

namespace tulle::api {

struct ApiRequest {
  std::string method;
  std::string path;                          // decoded, without the query
  std::map<std::string, std::string> query;  // decoded
  std::string body;
  std::string authorization;  // the header's value
};

struct ApiResponse {
  int status = 200;
  std::string body;        // JSON
  std::string event = {};  // what was changed and by whom, for the log; empty: nothing was
};

// What the xDS server knows of one proxy.
struct ProxyStatus {
  struct TypeStatus {
    std::string type;  // "clusters", "listeners", ...
    std::string sent_version;
    std::string acknowledged_version;
    std::string rejected_resource;  // of the last NACK that still holds
    std::string rejection;
  };
  std::string name;  // node id
  std::string spiffe_id;
  std::string address;
  bool is_connected = false;
  int64_t connected_since = 0;
  int64_t certificate_not_after = 0;
  // Of all types together.
  std::string sent_version;
  std::string acknowledged_version;
  std::vector<TypeStatus> types;
};

// What the API shows of the running control plane; implemented by the server, faked in tests.
class ControlPlaneView {
 public:
  virtual ~ControlPlaneView() = default;
  virtual std::vector<ProxyStatus> Proxies() const = 0;  // ordered by name
  virtual const discovery::Mesh& CurrentMesh() const = 0;
  virtual snapshot::Snapshot SnapshotOf(const std::string& proxy) const = 0;
  virtual size_t HeldLeases() const = 0;
  // Where sidecars are served; 0: it is not known.
  virtual uint16_t GrpcPort() const { return 0; }
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
    const insight::TraceRing* traces = nullptr;  // null: none are kept
    store::Store* store = nullptr;               // for a backup
  };

  explicit Api(Parts parts) : parts_(std::move(parts)) {}

  ApiResponse Handle(const ApiRequest& request, int64_t now);

 private:
  struct Call;
  using Handler = ApiResponse (Api::*)(const Call&);
  struct Route;

  static const std::vector<Route>& Routes();

  ApiResponse Apply(const Call& call);
  ApiResponse ListPolicies(const Call& call);
  ApiResponse GetPolicy(const Call& call);
  ApiResponse DeletePolicy(const Call& call);
  ApiResponse DeletePolicies(const Call& call);
  ApiResponse PolicyHistory(const Call& call);
  ApiResponse History(const Call& call);
  ApiResponse RollBack(const Call& call);
  static bool ReadEarlier(const Call& call, discovery::PolicyBook::Earlier* to,
                          ApiResponse* refusal);
  ApiResponse Backup(const Call& call);
  ApiResponse ListHosts(const Call& call);
  ApiResponse ListServices(const Call& call);
  ApiResponse ListWorkloads(const Call& call);
  ApiResponse ListProxies(const Call& call);
  ApiResponse GetProxy(const Call& call);
  ApiResponse ProxyConfig(const Call& call);
  ApiResponse CreateToken(const Call& call);
  ApiResponse ListTokens(const Call& call);
  ApiResponse RevokeToken(const Call& call);
  ApiResponse CreateCredential(const Call& call);
  ApiResponse ListCredentials(const Call& call);
  ApiResponse DeleteCredential(const Call& call);
  ApiResponse IssueCertificate(const Call& call);
  ApiResponse RotateRoot(const Call& call);
  ApiResponse ShowRoots(const Call& call);
  ApiResponse Check(const Call& call);
  ApiResponse ListTraces(const Call& call);
  ApiResponse GetTrace(const Call& call);
  ApiResponse Version(const Call& call);
  ApiResponse OpenApi(const Call& call);

  Parts parts_;
};

}  // namespace tulle::api
