#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/cli/api_client.h"

namespace tulle::scale {

// The REST API as the measurement uses it, by the admin's credential. Each call makes a connection
// of its own. Owner: whoever made it. Thread: one.
class MeshApi {
 public:
  static absl::StatusOr<MeshApi> Open(const std::string& admin_file);

  // A join token of account `service` that lets it register that service.
  absl::StatusOr<std::string> CreateToken(const std::string& service);
  absl::Status Apply(const std::string& yaml);
  // Virtual addresses by host.
  absl::StatusOr<std::map<std::string, std::string>> Hosts();
  // Proxies that are connected and have acknowledged everything.
  absl::StatusOr<size_t> SyncedProxies();
  // Endpoints that get traffic.
  absl::StatusOr<size_t> HealthyWorkloads();
  absl::Status GetVersion();
  // The body of an answer of any size.
  absl::StatusOr<std::string> Get(std::string path, std::map<std::string, std::string> query);

 private:
  explicit MeshApi(std::unique_ptr<cli::ApiClient> client) : client_(std::move(client)) {}
  absl::StatusOr<std::string> Call(const cli::ApiCall& call);

  std::unique_ptr<cli::ApiClient> client_;
};

}  // namespace tulle::scale
