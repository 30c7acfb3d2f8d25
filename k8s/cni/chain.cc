#include "k8s/cni/chain.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "k8s/cni/versions.h"

namespace tulle::cni {
namespace {

using Json = nlohmann::ordered_json;

const Json& Entry() {
  static const Json entry = {{"type", "tulle-cni"},
                             {"capabilities", {{"io.kubernetes.cri.pod-annotations", true}}}};
  return entry;
}

bool IsOurs(const Json& plugin) {
  return plugin.is_object() && plugin.value("type", Json()) == "tulle-cni";
}

absl::StatusOr<Json> Parse(const std::string& text) {
  Json list = Json::parse(text, nullptr, false);
  if (!list.is_object() || !list.contains("plugins") || !list["plugins"].is_array() ||
      list["plugins"].empty()) {
    return absl::InvalidArgumentError(
        "not a list of CNI plugins: make it a *.conflist with \"plugins\", or remove it");
  }
  return list;
}

absl::Status CheckVersion(const Json& list) {
  const Json version = list.value("cniVersion", Json());
  if (version.is_string() && IsKnownVersion(version.get<std::string>())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("unsupported cniVersion ", version.dump(),
                                                 ": tulle-cni supports ", std::string(kVersions[0]),
                                                 " to ", std::string(*std::rbegin(kVersions))));
}

}  // namespace

absl::StatusOr<std::string> WithEntry(const std::string& conflist) {
  auto list = Parse(conflist);
  if (!list.ok()) return list.status();
  if (const absl::Status known = CheckVersion(*list); !known.ok()) return known;
  Json& plugins = (*list)["plugins"];
  const auto ours = std::find_if(plugins.begin(), plugins.end(), IsOurs);
  if (ours != plugins.end() && *ours == Entry()) return conflist;
  if (ours == plugins.end()) {
    plugins.push_back(Entry());
  } else {
    *ours = Entry();
  }
  return list->dump(2) + "\n";
}

absl::StatusOr<std::string> WithoutEntry(const std::string& conflist) {
  auto list = Parse(conflist);
  if (!list.ok()) return list.status();
  Json kept = Json::array();
  for (const Json& plugin : (*list)["plugins"])
    if (!IsOurs(plugin)) kept.push_back(plugin);
  if (kept.size() == (*list)["plugins"].size()) return conflist;
  (*list)["plugins"] = kept;
  return list->dump(2) + "\n";
}

}  // namespace tulle::cni
