#include "tests/golden/snapshot/mesh_file.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <set>

#include "control-plane/discovery/service_table.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/policy/parse.h"

namespace tulle::golden {
namespace {

nlohmann::json ToJson(const YAML::Node& node) {
  nlohmann::json json;
  if (node.IsMap()) {
    for (const auto& pair : node) json[pair.first.Scalar()] = ToJson(pair.second);
  } else if (node.IsSequence()) {
    json = nlohmann::json::array();
    for (const YAML::Node& element : node) json.push_back(ToJson(element));
  } else if (node.Scalar() == "true" || node.Scalar() == "false") {
    json = node.Scalar() == "true";
  } else if (node.Scalar().find_first_not_of("0123456789") == std::string::npos) {
    json = node.as<uint32_t>();
  } else {
    json = node.Scalar();
  }
  return json;
}

void AddWorkload(const YAML::Node& node, MeshFile* file) {
  const auto workload = discovery::WorkloadFromJson(ToJson(node).dump());
  if (!workload.ok()) {
    file->error += workload.status().ToString();
    return;
  }
  discovery::Workload instance = *workload;
  if (node["health"] && node["health"].Scalar() == "unhealthy") {
    instance.health = discovery::Health::kUnhealthy;
  }
  if (file->node.empty()) file->node = instance.id;
  file->mesh.workloads[instance.id] = instance;
}

// In order of the hosts' names.
void AddVips(discovery::Mesh* mesh) {
  std::set<std::string> hosts;
  for (const auto& [name, service] : discovery::BuildServiceTable(*mesh)) {
    hosts.insert(discovery::HostOf(name));
  }
  for (const policy::Document* document : mesh->policies.ExternalServices()) {
    hosts.insert(std::get<policy::ExternalService>(document->spec).hosts[0]);
  }
  for (const std::string& host : hosts) {
    mesh->vips[host] = "240.240.0." + std::to_string(mesh->vips.size() + 1);
  }
}

}  // namespace

MeshFile ReadMeshFile(const std::string& text) {
  MeshFile file;
  file.mesh.trust_bundle_pem = "a bundle\n";
  std::string policies;
  for (const YAML::Node& node : YAML::LoadAll(text)) {
    if (node["kind"].Scalar() == "Workload") {
      AddWorkload(node, &file);
    } else {
      policies += "---\n" + YAML::Dump(node) + "\n";
    }
  }
  if (!policies.empty()) {
    const policy::ParsedFile parsed = policy::ParseDocuments(policies, "policies");
    file.error += policy::ToText(parsed.problems);
    for (const policy::Document& document : parsed.documents) file.mesh.policies.Upsert(document);
  }
  AddVips(&file.mesh);
  return file;
}

}  // namespace tulle::golden
