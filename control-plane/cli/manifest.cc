#include "control-plane/cli/manifest.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/cli/yaml_tree.h"
#include "k8s/inject/inject.h"

namespace tulle::cli {
namespace {

constexpr std::string_view kTemplated[] = {"Deployment", "StatefulSet",           "DaemonSet",
                                           "ReplicaSet", "ReplicationController", "Job"};

std::string ScalarAt(const YAML::Node& node, const char* name) {
  if (!node.IsMap()) return "";
  const YAML::Node found = node[name];
  return found.IsDefined() && found.IsScalar() ? found.Scalar() : "";
}

// Undefined: there is none.
YAML::Node Descend(YAML::Node node, std::initializer_list<const char*> path) {
  for (const char* name : path) {
    if (!node.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    const YAML::Node next = std::as_const(node)[name];
    if (!next.IsDefined()) return YAML::Node(YAML::NodeType::Undefined);
    node.reset(next);
  }
  return node;
}

// The pod or its template in an object; undefined: it has none.
YAML::Node PodIn(const YAML::Node& object) {
  const std::string kind = ScalarAt(object, "kind");
  if (kind == "Pod") return object;
  if (kind == "CronJob") return Descend(object, {"spec", "jobTemplate", "spec", "template"});
  if (std::find(std::begin(kTemplated), std::end(kTemplated), kind) != std::end(kTemplated))
    return Descend(object, {"spec", "template"});
  return YAML::Node(YAML::NodeType::Undefined);
}

// "deployment/web".
std::string NameOf(const YAML::Node& object) {
  const YAML::Node metadata = Descend(object, {"metadata"});
  std::string name = metadata.IsDefined() ? ScalarAt(metadata, "name") : "";
  if (name.empty() && metadata.IsDefined()) name = ScalarAt(metadata, "generateName");
  return absl::StrCat(absl::AsciiStrToLower(ScalarAt(object, "kind")), "/", name);
}

class Injector {
 public:
  Injector(std::string_view file, const std::string& ns, const inject::Settings& settings,
           std::vector<std::string>& notes)
      : file_(file), ns_(ns), settings_(settings), notes_(notes) {}

  // Whether the document has changed.
  absl::StatusOr<bool> Visit(const YAML::Node& object) {
    if (!object.IsMap()) return false;
    if (!absl::EndsWith(ScalarAt(object, "kind"), "List")) return InjectOne(object);
    const YAML::Node items = Descend(object, {"items"});
    if (!items.IsDefined() || !items.IsSequence()) return false;
    bool changed = false;
    for (const YAML::Node& item : items) {
      const auto one = item.IsMap() ? InjectOne(item) : absl::StatusOr<bool>(false);
      if (!one.ok()) return one;
      changed |= *one;
    }
    return changed;
  }

 private:
  absl::StatusOr<bool> InjectOne(const YAML::Node& object) {
    const YAML::Node pod = PodIn(object);
    if (!pod.IsDefined()) return false;
    const std::string name = NameOf(object);
    const std::optional<YamlJson> json = JsonOf(pod);
    if (!json) return Error(name, "is too large or nested too deeply");
    const YAML::Node metadata = Descend(object, {"metadata"});
    std::string ns = metadata.IsDefined() ? ScalarAt(metadata, "namespace") : "";
    // Who injects by hand wants it: the namespace's label is not needed.
    const inject::Namespace place{ns.empty() ? ns_ : ns,
                                  {{std::string(inject::kInjectLabel), "enabled"}}};
    const auto made = inject::Inject(*json, place, settings_);
    if (!made.ok()) return Error(name, made.status().message());
    for (const std::string& warning : made->warnings)
      notes_.push_back(absl::StrCat("warning: ", name, ": ", warning));
    notes_.push_back(made->skipped.label.empty()
                         ? absl::StrCat(name, " injected")
                         : absl::StrCat(name, " skipped: ", made->skipped.text));
    ApplyPatch(made->patch, pod);
    return !made->patch.empty();
  }

  absl::Status Error(const std::string& name, absl::string_view what) const {
    return UserError(
        absl::StrCat(absl::string_view(file_.data(), file_.size()), ": ", name, ": ", what));
  }

  const std::string_view file_;
  const std::string& ns_;
  const inject::Settings& settings_;
  std::vector<std::string>& notes_;
};

bool IsSeparator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' ||
                                     line[3] == '\r' || line[3] == '\n');
}

// Each with its line "---", if it has one.
std::vector<std::string_view> Documents(std::string_view text) {
  std::vector<std::string_view> documents;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (IsSeparator(text.substr(at, end - at)) && at > begin) {
      documents.push_back(text.substr(begin, at - begin));
      begin = at;
    }
    at = end;
  }
  documents.push_back(text.substr(begin));
  return documents;
}

}  // namespace

absl::StatusOr<InjectedManifest> InjectManifest(std::string_view file, std::string_view text,
                                                const std::string& ns,
                                                const inject::Settings& settings) {
  InjectedManifest injected;
  Injector injector(file, ns, settings, injected.notes);
  for (const std::string_view document : Documents(text)) {
    try {
      const YAML::Node root = YAML::Load(std::string(document));
      const auto changed = injector.Visit(root);
      if (!changed.ok()) return changed.status();
      const auto written = *changed ? YamlOf(root) : std::nullopt;
      if (*changed && !written)
        return UserError(absl::StrCat(std::string(file), ": a document is too large"));
      if (*changed && IsSeparator(document)) injected.text += "---\n";
      injected.text += *changed ? *written : std::string(document);
    } catch (const YAML::Exception& error) {
      const auto before =
          std::count(text.begin(), text.begin() + (document.data() - text.data()), '\n');
      return UserError(absl::StrCat(std::string(file), ":", before + error.mark.line + 1,
                                    ": invalid YAML: ", error.msg));
    }
  }
  return injected;
}

}  // namespace tulle::cli
