// One command at work: what was asked, the environment, and the server, which is looked for at the
// first call only. Owner: RunTullectl, for one command. Thread: the only one.
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

  // The reply of a call that was answered by 2xx; else a Trouble out of the API's error.
  absl::StatusOr<Json> Get(const std::string& path, const Query& query = {});
  absl::StatusOr<Json> Post(const std::string& path, const Json& body, bool is_dry_run = false);
  absl::StatusOr<Json> Delete(const std::string& path);
  // Errors are placed in the files that the lines come from.
  absl::StatusOr<Json> Apply(const FileSet& files, bool is_dry_run);
  // Whether the last call was answered by 404.
  bool was_not_found() const { return last_status_ == 404; }
  int last_status() const { return last_status_; }

  absl::StatusOr<Destination> ResolvedDestination();
  // The port at which the control plane serves sidecars, as it says itself.
  absl::StatusOr<int64_t> GrpcPort();
  // Of the command: -n, else the context's.
  std::string Namespace();
  // From now on, and in the file that the roots came from.
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
  std::unique_ptr<ApiClient> client_;
  int last_status_ = 0;
};

}  // namespace tulle::cli
