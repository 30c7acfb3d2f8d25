// The API server of a cluster as the commands use it: one request, one reply, with the user's own
// rights. Implemented over HTTPS (kubernetes_https.h), faked in tests. Owner: the session of one
// command. Thread: the only one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/cli/api_client.h"
#include "k8s/api/call.h"

namespace tulle::cli {

class KubernetesApi {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  virtual ~KubernetesApi() = default;
  // A reply of any status but 401 of the API server itself; a UserError if there was none.
  virtual absl::StatusOr<ApiReply> Send(const k8s::Request& request, const Headers& headers) = 0;
  absl::StatusOr<ApiReply> Send(const k8s::Request& request) { return Send(request, {}); }
};

}  // namespace tulle::cli
