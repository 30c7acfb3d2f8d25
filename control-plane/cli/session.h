// One run of a command: its invocation, the environment, and the connection to the server, which is
// set up at the first call. Owner: RunTullectl, for one command. Thread: the only one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "control-plane/cli/environment.h"
#include "control-plane/cli/invocation.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/table.h"

namespace tulle::cli {

class FileSet;

class Session {
 public:
  using Query = std::map<std::string, std::string>;

  Session(const Invocation& wanted_invocation, Environment& its_environment)
      : invocation(wanted_invocation), environment(its_environment) {}

  // The reply if its status is 2xx, else a UserError with the API's error.
  absl::StatusOr<Json> Get(const std::string& path, const Query& query = {});
  absl::StatusOr<Json> Post(const std::string& path, const Json& body, bool is_dry_run = false);
  absl::StatusOr<Json> Put(const std::string& path, const Json& body);
  absl::StatusOr<Json> Delete(const std::string& path);
  // Errors refer to lines of the files.
  absl::StatusOr<Json> Apply(const FileSet& files, bool is_dry_run);
  // The reply as it is, of any status. May be called for hours.
  absl::StatusOr<ApiReply> Forward(const ApiCall& call);
  // Whether the status of the last call was 404.
  bool was_not_found() const { return last_status_ == 404; }
  int last_status() const { return last_status_; }

  absl::StatusOr<Destination> ResolvedDestination();
  // The API server, with the user's own rights; null: the destination is not in a cluster.
  absl::StatusOr<KubernetesApi*> Cluster();
  // An error if it is in a cluster, where `what` has no use. `hint`: what to do there instead.
  absl::Status RequireDirect(const std::string& what, const std::string& hint = "");
  // Writes a warning if it is in a cluster.
  absl::Status WarnInCluster(const std::string& text);
  // The port at which the control plane serves sidecars, as it reports.
  absl::StatusOr<int64_t> GrpcPort();
  // -n, else that of the context.
  std::string Namespace();
  // Trusts these roots from now on, and saves them to the file that the previous ones came from.
  absl::Status AdoptTrust(const std::string& ca_pem);

  bool wants_json() const {
    return invocation.format == Format::kJson || invocation.format == Format::kYaml;
  }
  void Show(const Table& table) { table.Print(environment.out, environment.width); }
  std::ostream& out() { return environment.out; }
  std::ostream& err() { return environment.err; }

  const Invocation& invocation;
  Environment& environment;

 private:
  absl::StatusOr<Json> Send(const ApiCall& call, const FileSet* files = nullptr);
  absl::Status Connect();
  absl::Status Refusal(const ApiReply& reply, const Json& json, const FileSet* files) const;

  std::optional<Destination> destination_;
  std::unique_ptr<KubernetesApi> cluster_;  // null: the destination is not in a cluster
  std::unique_ptr<ApiClient> client_;
  int last_status_ = 0;
  int64_t connected_at_ = 0;
};

}  // namespace tulle::cli
