#include "control-plane/cli/session.h"

#include "absl/strings/str_cat.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/service_proxy.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/policy/problem.h"

namespace tulle::cli {
namespace {

// For a control plane that does not report its port.
constexpr int64_t kUsualGrpcPort = 15012;
// Of a client, in a command that lasts: its token ends, and replicas come and go.
constexpr int64_t kClientSeconds = 240;

policy::Problem ProblemOf(const Json& json, const FileSet* files) {
  policy::Problem problem;
  problem.file = TextAt(json, "/file");
  problem.line = static_cast<int>(NumberAt(json, "/line"));
  problem.column = static_cast<int>(NumberAt(json, "/column"));
  problem.field = TextAt(json, "/field");
  problem.message = TextAt(json, "/error");
  problem.hint = TextAt(json, "/hint");
  if (files != nullptr) files->Place(&problem);
  return problem;
}

}  // namespace

absl::Status Session::Connect() {
  const int64_t now = environment.now();
  if (client_ != nullptr && now - connected_at_ <= kClientSeconds) return absl::OkStatus();
  connected_at_ = now;
  const auto cluster = Cluster();
  if (!cluster.ok()) return cluster.status();
  if (*cluster == nullptr) {
    client_ = environment.connect(*destination_);
  } else {
    client_ = std::make_unique<ServiceProxy>(**cluster, *destination_->login, err());
  }
  return absl::OkStatus();
}

absl::StatusOr<KubernetesApi*> Session::Cluster() {
  const auto destination = ResolvedDestination();
  if (!destination.ok()) return destination.status();
  if (cluster_ == nullptr && destination_->login)
    cluster_ = environment.enter(*destination_->login);
  return cluster_.get();
}

absl::Status Session::RequireDirect(const std::string& what, const std::string& hint) {
  const auto destination = ResolvedDestination();
  if (!destination.ok()) return destination.status();
  if (!destination->login) return absl::OkStatus();
  return UserError(absl::StrCat(what, " is not supported through a cluster's API server (",
                                Describe(*destination->login), ")"),
                   hint.empty()
                       ? "pass --credential-file FILE of a control plane that is reached directly"
                       : hint);
}

absl::Status Session::WarnInCluster(const std::string& text) {
  const auto destination = ResolvedDestination();
  if (!destination.ok()) return destination.status();
  if (destination->login) err() << "warning: " << text << "\n";
  return absl::OkStatus();
}

absl::StatusOr<Destination> Session::ResolvedDestination() {
  if (!destination_) {
    auto resolved = ResolveDestination(invocation.connection, environment.variables);
    if (!resolved.ok()) return resolved.status();
    destination_ = *std::move(resolved);
  }
  return *destination_;
}

absl::StatusOr<int64_t> Session::GrpcPort() {
  const auto version = Get("/v1/version");
  if (!version.ok()) return version.status();
  const int64_t port = NumberAt(*version, "/grpcPort");
  return port > 0 ? port : kUsualGrpcPort;
}

std::string Session::Namespace() {
  if (!invocation.ns.empty()) return invocation.ns;
  return destination_ ? destination_->ns
                      : NamespaceOf(invocation.connection, environment.variables);
}

absl::Status Session::AdoptTrust(const std::string& ca_pem) {
  if (ca_pem.empty() || !destination_) return absl::OkStatus();
  // Through a cluster's API server, whose certificate is not the mesh's.
  if (destination_->login) return absl::OkStatus();
  const absl::Status saved = SaveTrust(*destination_, ca_pem);
  destination_->ca_pem = ca_pem;
  client_->SetTrust(ca_pem);
  return saved;
}

absl::StatusOr<Json> Session::Get(const std::string& path, const Query& query) {
  return Send({.method = "GET", .path = path, .query = query});
}

absl::StatusOr<Json> Session::Post(const std::string& path, const Json& body, bool is_dry_run) {
  Query query;
  if (is_dry_run) query["dryRun"] = "true";
  return Send({.method = "POST", .path = path, .query = query, .body = body.dump()});
}

absl::StatusOr<Json> Session::Put(const std::string& path, const Json& body) {
  return Send({.method = "PUT", .path = path, .body = body.dump()});
}

absl::StatusOr<Json> Session::Delete(const std::string& path) {
  return Send({.method = "DELETE", .path = path});
}

absl::StatusOr<Json> Session::Apply(const FileSet& files, bool is_dry_run) {
  ApiCall call{.method = "POST", .path = "/v1/apply"};
  if (is_dry_run) call.query["dryRun"] = "true";
  call.query["file"] = files.NameOfAll();
  call.query["namespace"] = Namespace();
  call.body = files.Combined();
  call.content_type = "application/yaml";
  return Send(call, &files);
}

absl::StatusOr<ApiReply> Session::Forward(const ApiCall& call) {
  const absl::Status connected = Connect();
  if (!connected.ok()) return connected;
  return client_->Send(call);
}

absl::StatusOr<Json> Session::Send(const ApiCall& call, const FileSet* files) {
  last_status_ = 0;
  const absl::Status connected = Connect();
  if (!connected.ok()) return connected;
  const auto reply = client_->Send(call);
  if (!reply.ok()) return reply.status();
  last_status_ = reply->status;
  Json json = Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
  if (reply->status / 100 != 2) return Refusal(*reply, json, files);
  if (!json.is_discarded()) return json;
  return UserError(absl::StrCat(destination_->server, " returned invalid JSON"),
                   "is another program listening at this address?");
}

absl::Status Session::Refusal(const ApiReply& reply, const Json& json, const FileSet* files) const {
  const std::string& source = destination_->credential_source;
  const bool has_token = destination_->login.has_value();
  const std::string whose = has_token        ? "token of a service account"
                            : source.empty() ? "without a credential"
                                             : "credential from " + source;
  if (reply.status == 401 && !has_token) {
    return UserError(absl::StrCat(destination_->server, " rejected the credential (", whose, ")"),
                     source.empty() ? "pass --credential-file FILE"
                                    : "it may be deleted, or belong to another control plane: pass "
                                      "--credential-file FILE or --context NAME");
  }
  if (!json.is_object() || !json.contains("error")) {
    return UserError(absl::StrCat(destination_->server, " returned HTTP status ", reply.status),
                     "is another program listening at this address?");
  }
  if (reply.status == 403) {
    return UserError(TextAt(json, "/error") + " (" + whose + ")", TextAt(json, "/hint"));
  }
  const Json& problems = PartAt(json, "/problems");
  if (problems.empty() || files == nullptr) {
    const std::string field = TextAt(json, "/field");
    return UserError((field.empty() ? "" : field + ": ") + TextAt(json, "/error"),
                     TextAt(json, "/hint"));
  }
  const bool applies = invocation.command == Command::kApply && !invocation.dry_run;
  std::string text = applies ? "nothing was applied:" : "the policies are invalid:";
  for (const Json& problem : problems) text += "\n" + ToText(ProblemOf(problem, files));
  return UserError(text);
}

}  // namespace tulle::cli
