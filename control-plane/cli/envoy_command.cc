// The bootstrap of an Envoy under this control plane: ADS by mTLS, with certificates from files
// that it reads again when they are replaced. Source: envoy.config.bootstrap.v3.Bootstrap.
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "certs/spiffe_id.h"
#include "certs/spiffe_names.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kTypes[] = "type.googleapis.com/envoy.extensions.";

Json FileOf(const fs::path& path) { return {{"filename", path.string()}}; }

// One secret in the form in which Envoy reads it from a file.
Json SecretFile(const std::string& name, const std::string& kind, Json content,
                const fs::path& folder) {
  content["watched_directory"] = {{"path", folder.string()}};
  Json secret = {{"@type", absl::StrCat(kTypes, "transport_sockets.tls.v3.Secret")},
                 {"name", name},
                 {kind, std::move(content)}};
  return {{"resources", Json::array({std::move(secret)})}};
}

Json SecretFrom(const std::string& name, const fs::path& file) {
  return {{"name", name},
          {"sds_config",
           {{"path_config_source", {{"path", file.string()}}}, {"resource_api_version", "V3"}}}};
}

Json TlsTo(const fs::path& folder, const std::string& trust_domain) {
  Json name = {{"san_type", "URI"},
               {"matcher", {{"exact", certs::SpiffeUri(trust_domain, certs::kControlPlanePath)}}}};
  Json validation = {
      {"default_validation_context",
       {{"match_typed_subject_alt_names", Json::array({std::move(name)})}}},
      {"validation_context_sds_secret_config", SecretFrom("roots", folder / "sds-roots.json")}};
  Json common = {
      {"tls_params",
       {{"tls_minimum_protocol_version", "TLSv1_3"}, {"tls_maximum_protocol_version", "TLSv1_3"}}},
      {"tls_certificate_sds_secret_configs",
       Json::array({SecretFrom("default", folder / "sds.json")})},
      {"combined_validation_context", std::move(validation)}};
  return {{"name", "envoy.transport_sockets.tls"},
          {"typed_config",
           {{"@type", absl::StrCat(kTypes, "transport_sockets.tls.v3.UpstreamTlsContext")},
            {"common_tls_context", std::move(common)}}}};
}

// Spans go to a cluster of this name, too.
Json ControlCluster(const std::string& host, int port, Json tls) {
  Json address = {{"socket_address", {{"address", host}, {"port_value", port}}}};
  Json endpoint = {{"endpoint", {{"address", std::move(address)}}}};
  Json group = {{"lb_endpoints", Json::array({std::move(endpoint)})}};
  Json options = {{"@type", absl::StrCat(kTypes, "upstreams.http.v3.HttpProtocolOptions")},
                  {"explicit_http_config",
                   {{"http2_protocol_options",
                     {{"connection_keepalive", {{"interval", "30s"}, {"timeout", "5s"}}}}}}}};
  return {{"name", "tulle-control"},
          {"type", "STRICT_DNS"},
          {"connect_timeout", "3s"},
          {"typed_extension_protocol_options",
           {{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions", std::move(options)}}},
          {"transport_socket", std::move(tls)},
          {"load_assignment",
           {{"cluster_name", "tulle-control"}, {"endpoints", Json::array({std::move(group)})}}}};
}

Json Bootstrap(const std::string& workload, const std::string& account, const fs::path& folder,
               uint16_t admin_port, Json control) {
  const Json ads = {{"ads", Json::object()}, {"resource_api_version", "V3"}};
  Json stream = {{"envoy_grpc", {{"cluster_name", "tulle-control"}}}};
  return {
      {"node",
       {{"id", workload},
        {"cluster", account},
        {"metadata", {{"tulle.dev/sds-file", (folder / "sds.json").string()}}}}},
      {"admin",
       {{"address", {{"socket_address", {{"address", "127.0.0.1"}, {"port_value", admin_port}}}}}}},
      {"dynamic_resources",
       {{"ads_config",
         {{"api_type", "DELTA_GRPC"},
          {"transport_api_version", "V3"},
          {"set_node_on_first_message_only", true},
          {"grpc_services", Json::array({std::move(stream)})}}},
        {"cds_config", ads},
        {"lds_config", ads}}},
      {"static_resources", {{"clusters", Json::array({std::move(control)})}}}};
}

absl::StatusOr<certs::SpiffeId> IdentityOf(Session& session, const std::string& workload) {
  const auto workloads = session.Get("/v1/workloads");
  if (!workloads.ok()) return workloads.status();
  for (const Json& each : PartAt(*workloads, "/items")) {
    if (TextAt(each, "/id") != workload) continue;
    auto id = certs::SpiffeId::Parse(TextAt(each, "/spiffeId"));
    if (id.ok() && id->service_account()) return id;
    return UserError("workload " + workload + " has no identity of a workload",
                     "register it again with `tullectl register`");
  }
  return UserError("workload " + workload + " is not registered",
                   "register it with `tullectl register " + workload +
                       " --service SERVICE --address ADDRESS`, or see `tullectl status`");
}

// "[::1]:15012" -> "::1" and 15012.
bool SplitAddress(const std::string& text, std::string* host, int* port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), port)) return false;
  *host = text.substr(0, colon);
  if (host->size() > 2 && host->front() == '[') *host = host->substr(1, host->size() - 2);
  return !host->empty();
}

}  // namespace

absl::StatusOr<int> WriteEnvoyBootstrap(Session& session) {
  const Invocation& wanted = session.invocation;
  const auto id = IdentityOf(session, wanted.name);
  if (!id.ok()) return id.status();
  const auto control = ControlAddress(session);
  if (!control.ok()) return control.status();
  std::string host;
  int port = 0;
  if (!SplitAddress(*control, &host, &port))
    return UserError("invalid --control " + *control, "expected HOST:PORT, such as 10.0.0.1:15012");
  std::error_code error;
  const fs::path folder = fs::absolute(wanted.directory, error).lexically_normal();
  const std::string account(*id->service_account());
  const auto issued =
      IssueInto(session, folder.string(),
                {{"account", account}, {"namespace", std::string(*id->namespace_name())}});
  if (!issued.ok()) return issued.status();
  Json own = {{"certificate_chain", FileOf(folder / "cert.pem")},
              {"private_key", FileOf(folder / "key.pem")}};
  Json roots = {{"trusted_ca", FileOf(folder / "ca.pem")}};
  const Json cluster = ControlCluster(host, port, TlsTo(folder, std::string(id->trust_domain())));
  const std::pair<const char*, Json> files[] = {
      {"sds.json", SecretFile("default", "tls_certificate", std::move(own), folder)},
      {"sds-roots.json", SecretFile("roots", "validation_context", std::move(roots), folder)},
      {"bootstrap.json",
       Bootstrap(wanted.name, account, folder, wanted.registration.admin_port, cluster)}};
  for (const auto& [name, json] : files) {
    const absl::Status written = WritePrivateFile((folder / name).string(), json.dump(1) + "\n");
    if (!written.ok()) return written;
  }
  session.out() << (folder / "bootstrap.json").string() << "\n";
  session.err() << "Start Envoy as the owner of these files: envoy -c "
                << (folder / "bootstrap.json").string()
                << "\nRun this command again with --force before the certificate expires; Envoy "
                   "reads the new one.\n";
  return 0;
}

}  // namespace tulle::cli
