#include "k8s/install/chart.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace tulle::install {
namespace {

struct Value {
  std::string Settings::*setting;
  const char* section;
  const char* name;
};

constexpr Value kValues[] = {
    {&Settings::control_image, "images", "control"},
    {&Settings::sidecar_image, "images", "sidecar"},
    {&Settings::init_image, "images", "init"},
    {&Settings::cni_image, "images", "cni"},
    {&Settings::image_pull_policy, "images", "pullPolicy"},
    {&Settings::replicas, "control", "replicas"},
    {&Settings::trust_domain, "control", "trustDomain"},
    {&Settings::log_level, "control", "logLevel"},
    {&Settings::cpu, "control", "cpu"},
    {&Settings::memory, "control", "memory"},
    {&Settings::monitoring_namespace, "control", "monitoringNamespace"},
    {&Settings::cni, "cni", "enabled"},
    {&Settings::cni_conf_dir, "cni", "confDir"},
    {&Settings::cni_bin_dir, "cni", "binDir"},
};

Json ValuesOf(const Settings& defaults) {
  Json values;
  for (const Value& value : kValues) values[value.section][value.name] = defaults.*value.setting;
  values["control"]["replicas"] = std::stoi(defaults.replicas);
  values["cni"]["enabled"] = defaults.cni == "true";
  return values;
}

Settings Expressions() {
  Settings settings;
  for (const Value& value : kValues)
    settings.*value.setting = absl::StrCat("{{ .Values.", value.section, ".", value.name, " }}");
  return settings;
}

// Helm creates the namespace itself (--create-namespace), so its label comes from the user.
bool IsNamespace(const Json& object) { return object.at("kind") == "Namespace"; }

}  // namespace

std::map<std::string, std::string> Chart(const std::string& version, const Settings& defaults,
                                         const ToYaml& to_yaml) {
  std::map<std::string, std::string> files;
  files["Chart.yaml"] = to_yaml({{"apiVersion", "v2"},
                                 {"name", "tulle"},
                                 {"description", "The control plane of Tulle, a service mesh"},
                                 {"type", "application"},
                                 {"version", version},
                                 {"appVersion", version},
                                 {"kubeVersion", ">=1.29.0-0"}});
  files["values.yaml"] = to_yaml(ValuesOf(defaults));
  for (const Json& definition : Definitions())
    absl::StrAppend(&files["crds/tulle.yaml"], "---\n", to_yaml(definition));
  for (const Json& object : Manifests(Expressions()))
    if (!IsNamespace(object))
      absl::StrAppend(&files["templates/tulle.yaml"], "---\n", to_yaml(object));
  std::string& templates = files["templates/tulle.yaml"];
  // A number must not be in quotes.
  templates = absl::StrReplaceAll(
      templates, {{"\"{{ .Values.control.replicas }}\"", "{{ .Values.control.replicas }}"}});
  std::string& cni = files["templates/tulle-cni.yaml"];
  cni = "{{- if .Values.cni.enabled }}\n";
  for (const Json& object : CniPlugin(Expressions()))
    absl::StrAppend(&cni, "---\n", to_yaml(object));
  cni += "{{- end }}\n";
  return files;
}

}  // namespace tulle::install
