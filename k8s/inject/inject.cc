#include "k8s/inject/inject.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "k8s/inject/containers.h"
#include "k8s/inject/decision.h"
#include "k8s/inject/patch.h"
#include "k8s/inject/probes.h"
#include "k8s/inject/wishes.h"

namespace tulle::inject {
namespace {

constexpr size_t kMostContainers = 256;

absl::Status Invalid(std::string_view what, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(absl::string_view(what.data(), what.size()), ": ",
                   absl::string_view(expected.data(), expected.size())));
}

bool IsLabel(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), is_allowed);
}

// Connections of the sidecar's user and group are not redirected.
absl::Status CheckUser(const Json& json, const std::string& at) {
  const Json* context = Member(json, "securityContext");
  if (context == nullptr) return absl::OkStatus();
  if (NumberOf(*context, "runAsUser", kSidecarUid, kSidecarUid))
    return Invalid(at + ".securityContext.runAsUser", "1337 is the sidecar's: use another user ID");
  if (NumberOf(*context, "runAsGroup", kSidecarUid, kSidecarUid))
    return Invalid(at + ".securityContext.runAsGroup",
                   "1337 is the sidecar's: use another group ID");
  return absl::OkStatus();
}

// The pod as far as injection depends on it. Views into the pod.
class Plan {
 public:
  Plan(const Json& pod, const Settings& settings)
      : settings_(settings),
        metadata_(Member(pod, "metadata")),
        spec_(*Member(pod, "spec")),
        warnings_() {}

  absl::StatusOr<Injection> Make() {
    static const Json kNone = Json::object();
    auto wishes = ReadWishes(metadata_ == nullptr ? kNone : *metadata_, settings_);
    if (!wishes.ok()) return wishes.status();
    if (absl::Status checked = CheckSpec(); !checked.ok()) return checked;
    AppProbes probes;
    if (absl::Status rewritten = AddProbes(probes); !rewritten.ok()) return rewritten;
    AddMetadata();
    AddContainers(*wishes, probes.probes);
    Injection made;
    made.patch = patch_.operations();
    for (auto* from : {&wishes->warnings, &probes.warnings, &warnings_})
      made.warnings.insert(made.warnings.end(), from->begin(), from->end());
    return made;
  }

 private:
  absl::Status CheckSpec();
  absl::Status CheckContainers(std::string_view list);
  absl::Status CheckContainer(const Json& container, const std::string& at);
  absl::Status CheckVolumes();
  void WarnOfPorts(const Json& container, const std::string& name);
  absl::Status AddProbes(AppProbes& probes);
  void AddMetadata();
  void AddContainers(const Wishes& wishes, const Json& probes);

  const Settings& settings_;
  const Json* metadata_;
  const Json& spec_;
  Patch patch_;
  std::vector<std::string> warnings_;
};

absl::Status Plan::CheckSpec() {
  if (Member(spec_, "containers") == nullptr)
    return Invalid("spec.containers", "must have at least one container");
  if (absl::Status checked = CheckUser(spec_, "spec"); !checked.ok()) return checked;
  // The kernel refuses rules about users in the network of another user namespace.
  const Json* host_users = Member(spec_, "hostUsers");
  if (settings_.cni && host_users != nullptr && *host_users == false)
    return Invalid(
        "spec.hostUsers",
        "false is not supported with the CNI plugin, whose rules name users of the node");
  for (const char* list : {"containers", "initContainers"}) {
    if (absl::Status checked = CheckContainers(list); !checked.ok()) return checked;
  }
  return CheckVolumes();
}

absl::Status Plan::CheckContainers(std::string_view list) {
  const Json* containers = Member(spec_, list);
  if (containers == nullptr) return absl::OkStatus();
  const std::string path = absl::StrCat("spec.", absl::string_view(list.data(), list.size()));
  if (!containers->is_array()) return Invalid(path, "must be an array");
  if (containers->size() > kMostContainers)
    return Invalid(path, absl::StrCat("must have at most ", kMostContainers, " containers"));
  for (size_t i = 0; i < containers->size(); ++i) {
    absl::Status checked = CheckContainer((*containers)[i], absl::StrCat(path, "[", i, "]"));
    if (!checked.ok()) return checked;
  }
  return absl::OkStatus();
}

absl::Status Plan::CheckContainer(const Json& container, const std::string& at) {
  if (!container.is_object()) return Invalid(at, "must be an object");
  const std::string name = TextOf(container, "name");
  if (!IsLabel(name))
    return Invalid(at + ".name", "must be a DNS label: at most 63 of a-z, 0-9 and -");
  if (absl::Status checked = CheckUser(container, at); !checked.ok()) return checked;
  WarnOfPorts(container, name);
  return absl::OkStatus();
}

void Plan::WarnOfPorts(const Json& container, const std::string& name) {
  constexpr int64_t kOwn[] = {15000, 15001, 15006, kHealthPort, kMetricsPort};
  const Json* ports = Member(container, "ports");
  if (ports == nullptr || !ports->is_array()) return;
  for (const Json& port : *ports) {
    const auto number = NumberOf(port, "containerPort", 1, 65535);
    if (!number || std::find(std::begin(kOwn), std::end(kOwn), *number) == std::end(kOwn)) continue;
    warnings_.push_back(absl::StrCat("container ", name, ": the sidecar listens on port ", *number,
                                     ": the application cannot"));
  }
}

absl::Status Plan::CheckVolumes() {
  const Json* volumes = Member(spec_, "volumes");
  if (volumes == nullptr) return absl::OkStatus();
  if (!volumes->is_array()) return Invalid("spec.volumes", "must be an array");
  for (const Json& own : Volumes(settings_)) {
    for (const Json& volume : *volumes) {
      if (TextOf(volume, "name") == TextOf(own, "name"))
        return Invalid("spec.volumes",
                       absl::StrCat("the name ", TextOf(own, "name"), " is the sidecar's"));
    }
  }
  return absl::OkStatus();
}

// Of containers, and of init containers that stay.
absl::Status Plan::AddProbes(AppProbes& probes) {
  for (const char* list : {"containers", "initContainers"}) {
    const Json* containers = Member(spec_, list);
    if (containers == nullptr) continue;
    for (size_t i = 0; i < containers->size(); ++i) {
      const std::string path = absl::StrCat("/spec/", list, "/", i);
      absl::Status rewritten = RewriteProbes((*containers)[i], path, patch_, probes);
      if (!rewritten.ok()) return rewritten;
    }
  }
  return absl::OkStatus();
}

void Plan::AddMetadata() {
  const Json* labels = metadata_ == nullptr ? nullptr : Member(*metadata_, "labels");
  const Json* annotations = metadata_ == nullptr ? nullptr : Member(*metadata_, "annotations");
  std::string account = TextOf(spec_, "serviceAccountName");
  if (account.empty()) account = TextOf(spec_, "serviceAccount");
  if (account.empty()) account = "default";
  if (metadata_ == nullptr) patch_.Add("/metadata", Json::object());
  patch_.SetMember("/metadata/labels", labels, kMeshedLabel, "true");
  patch_.SetMember("/metadata/annotations", annotations, kAccountAnnotation, account);
  const Json by_now = Json::object();
  if (settings_.cni)
    patch_.SetMember("/metadata/annotations", &by_now, kRedirectionAnnotation, kByCni);
}

// After the probes, whose paths count the init containers as they were.
void Plan::AddContainers(const Wishes& wishes, const Json& probes) {
  std::vector<Json> first;
  first.push_back(InitContainer(settings_, wishes));
  first.push_back(SidecarContainer(settings_, wishes, probes));
  patch_.Prepend("/spec/initContainers", Member(spec_, "initContainers"), first);
  patch_.Append("/spec/volumes", Member(spec_, "volumes"), Volumes(settings_));
}

}  // namespace

absl::StatusOr<Injection> Inject(const Json& pod, const Namespace& ns, const Settings& settings) {
  if (!pod.is_object()) return Invalid("pod", "must be an object");
  const Json* spec = Member(pod, "spec");
  if (spec == nullptr || !spec->is_object()) return Invalid("spec", "must be an object");
  const Json* metadata = Member(pod, "metadata");
  if (metadata != nullptr && !metadata->is_object())
    return Invalid("metadata", "must be an object");
  const Json* labels = Member(pod, {"metadata", "labels"});
  if (labels != nullptr && !labels->is_object())
    return Invalid("metadata.labels", "must be an object");
  auto skipped = WhySkipped(pod, ns, settings);
  if (!skipped.ok()) return skipped.status();
  if (!skipped->label.empty()) return Injection{Json::array(), *std::move(skipped), {}};
  return Plan(pod, settings).Make();
}

}  // namespace tulle::inject
