#include "control-plane/cli/config_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/suggestion.h"

namespace tulle::cli {
namespace {

constexpr char kMend[] =
    "fix the file, or delete it and run `tullectl config set-context NAME --server URL`";

absl::Status ErrorAt(const YAML::Node& node, const std::string& path, const std::string& error,
                     const std::string& hint = kMend) {
  return UserError(absl::StrCat(path, ":", node.Mark().line + 1, ": ", error), hint);
}

// Text under each key, except a list under `contexts`.
absl::Status CheckFields(const YAML::Node& map, const std::string& path,
                         const std::vector<std::string>& known) {
  for (const auto& field : map) {
    const YAML::Node& key = field.first;
    const YAML::Node& value = field.second;
    const std::string name = key.IsScalar() ? key.Scalar() : "";
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return ErrorAt(key, path, "unknown field \"" + name + "\"",
                     usage::DidYouMean(name, known, kMend));
    }
    const bool is_list = name == "contexts";
    if (value.IsNull() || (is_list ? value.IsSequence() : value.IsScalar())) continue;
    return ErrorAt(value, path, name + (is_list ? ": expected a list" : ": expected text"));
  }
  return absl::OkStatus();
}

std::string TextOf(const YAML::Node& map, const char* key) {
  const YAML::Node node = map[key];
  return node && node.IsScalar() ? node.Scalar() : std::string();
}

void EmitIfSet(YAML::Emitter& out, const char* key, const std::string& value) {
  if (!value.empty()) out << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << value;
}

absl::StatusOr<ConfigFile> Read(const YAML::Node& root, const std::string& path) {
  ConfigFile config;
  if (!root || root.IsNull()) return config;
  if (!root.IsMap()) return UserError(path + ": expected an object with `contexts`", kMend);
  const absl::Status checked = CheckFields(root, path, {"current-context", "contexts"});
  if (!checked.ok()) return checked;
  config.current = TextOf(root, "current-context");
  for (const YAML::Node& node : root["contexts"]) {
    if (!node.IsMap()) return ErrorAt(node, path, "a context must be an object with `name`");
    const absl::Status entry_checked =
        CheckFields(node, path, {"name", "server", "credential-file", "ca-file", "namespace"});
    if (!entry_checked.ok()) return entry_checked;
    ServerEntry entry = {TextOf(node, "name"), TextOf(node, "server"),
                         TextOf(node, "credential-file"), TextOf(node, "ca-file"),
                         TextOf(node, "namespace")};
    if (entry.name.empty()) {
      return ErrorAt(node, path, "required field `name` of a context is missing");
    }
    config.entries.push_back(std::move(entry));
  }
  return config;
}

}  // namespace

const ServerEntry* ConfigFile::Find(const std::string& name) const {
  for (const ServerEntry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

ServerEntry& ConfigFile::FindOrAdd(const std::string& name) {
  for (ServerEntry& entry : entries) {
    if (entry.name == name) return entry;
  }
  entries.push_back({name, "", "", "", ""});
  return entries.back();
}

std::vector<std::string> ConfigFile::Names() const {
  std::vector<std::string> names;
  for (const ServerEntry& entry : entries) names.push_back(entry.name);
  return names;
}

absl::StatusOr<ConfigFile> ConfigFile::Load(const std::string& path, bool must_exist) {
  std::error_code error;
  if (!must_exist && !std::filesystem::exists(path, error)) return ConfigFile();
  auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  return Parse(*text, path);
}

absl::StatusOr<ConfigFile> ConfigFile::Parse(const std::string& text, const std::string& path) {
  try {
    return Read(YAML::Load(text), path);
  } catch (const YAML::Exception& error) {
    return UserError(absl::StrCat(path, ":", error.mark.line + 1, ": invalid YAML: ", error.msg),
                     kMend);
  }
}

absl::Status ConfigFile::Save(const std::string& path) const {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  return WritePrivateFile(path, ToYaml());
}

std::string ConfigFile::ToYaml() const {
  YAML::Emitter out;
  out << YAML::BeginMap;
  EmitIfSet(out, "current-context", current);
  out << YAML::Key << "contexts" << YAML::Value << YAML::BeginSeq;
  for (const ServerEntry& entry : entries) {
    out << YAML::BeginMap;
    EmitIfSet(out, "name", entry.name);
    EmitIfSet(out, "server", entry.server);
    EmitIfSet(out, "credential-file", entry.credential_file);
    EmitIfSet(out, "ca-file", entry.ca_file);
    EmitIfSet(out, "namespace", entry.ns);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string ConfigPath(const std::string& flag,
                       const std::map<std::string, std::string>& variables) {
  const auto get = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  if (!flag.empty()) return flag;
  if (!get("TULLECTL_CONFIG").empty()) return get("TULLECTL_CONFIG");
  if (!get("XDG_CONFIG_HOME").empty()) return get("XDG_CONFIG_HOME") + "/tulle/config";
  return get("HOME") + "/.config/tulle/config";
}

}  // namespace tulle::cli
