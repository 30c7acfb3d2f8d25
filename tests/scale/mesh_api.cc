#include "tests/scale/mesh_api.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/destination.h"
#include "control-plane/cli/https_client.h"

namespace tulle::scale {
namespace {

using Json = nlohmann::json;

constexpr int kTokenSeconds = 24 * 3600;

absl::StatusOr<Json> ItemsIn(const absl::StatusOr<std::string>& body) {
  if (!body.ok()) return body.status();
  Json json = Json::parse(*body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("items"))
    return absl::InternalError("the API returned no list");
  return json["items"];
}

}  // namespace

absl::StatusOr<MeshApi> MeshApi::Open(const std::string& admin_file) {
  cli::ConnectionFlags flags;
  flags.credential_file = admin_file;
  auto destination = cli::ResolveDestination(flags, {});
  if (!destination.ok()) return destination.status();
  return MeshApi(cli::NewHttpsClient(*destination));
}

absl::StatusOr<std::string> MeshApi::Call(const cli::ApiCall& call) {
  auto reply = client_->Send(call);
  if (!reply.ok()) return reply.status();
  if (reply->status < 300) return std::move(reply->body);
  return absl::InternalError(
      absl::StrCat(call.method, " ", call.path, ": ", reply->status, " ", reply->body));
}

absl::StatusOr<std::string> MeshApi::CreateToken(const std::string& service) {
  const Json body = {
      {"account", service}, {"services", Json::array({service})}, {"ttlSeconds", kTokenSeconds}};
  auto reply = Call({.method = "POST", .path = "/v1/tokens", .body = body.dump()});
  if (!reply.ok()) return reply.status();
  return Json::parse(*reply).at("token").get<std::string>();
}

absl::Status MeshApi::Apply(const std::string& yaml) {
  return Call({.method = "POST",
               .path = "/v1/apply",
               .body = yaml,
               .content_type = "application/yaml"})
      .status();
}

absl::StatusOr<std::map<std::string, std::string>> MeshApi::Hosts() {
  const auto items = ItemsIn(Call({.path = "/v1/hosts"}));
  if (!items.ok()) return items.status();
  std::map<std::string, std::string> hosts;
  for (const Json& host : *items) {
    hosts[host.at("names").at(0).get<std::string>()] = host.at("address").get<std::string>();
  }
  return hosts;
}

absl::StatusOr<size_t> MeshApi::SyncedProxies() {
  const auto items = ItemsIn(Call({.path = "/v1/proxies"}));
  if (!items.ok()) return items.status();
  size_t count = 0;
  for (const Json& proxy : *items) count += proxy.value("synced", false) ? 1 : 0;
  return count;
}

absl::StatusOr<size_t> MeshApi::HealthyWorkloads() {
  const auto items = ItemsIn(Call({.path = "/v1/workloads"}));
  if (!items.ok()) return items.status();
  size_t count = 0;
  for (const Json& workload : *items) count += workload.value("health", "") == "healthy" ? 1 : 0;
  return count;
}

absl::StatusOr<std::string> MeshApi::Get(std::string path,
                                         std::map<std::string, std::string> query) {
  return Call({.path = std::move(path), .query = std::move(query)});
}

absl::Status MeshApi::GetVersion() { return Call({.path = "/v1/version"}).status(); }

}  // namespace tulle::scale
