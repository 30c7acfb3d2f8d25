#include <algorithm>

#include "control-plane/policy/references.h"

namespace tulle::policy {
namespace {

using TargetKinds = Choices<TargetKind>;

// Its meaning depends on the kind: a Service's name, or the namespace's own.
void FinishTarget(ObjectReader& reader, Target& target) {
  switch (target.kind) {
    case TargetKind::kMesh:
      target.name.clear();
      if (reader.Has("name"))
        reader.Complain("name", "field is not used with kind: Mesh", "remove it");
      return;
    case TargetKind::kNamespace:
      target.ns = reader.ns();
      if (reader.Has("name") && target.name != target.ns) {
        reader.Complain("name", "does not match the policy's namespace " + Quoted(target.ns),
                        "set metadata.namespace to " + Quoted(target.name));
      }
      target.name.clear();
      return;
    case TargetKind::kService:
      break;
  }
  if (!reader.Is("kind", "Service")) return;  // reported already
  target.ns = reader.ns();
  if (target.name.empty()) {
    reader.Complain("name", "required field is missing", "set it to the name of a Service");
  } else if (const auto fault = kServiceName.Check(target.name)) {
    reader.Complain("name", *fault);
  }
}

Value<Target> TargetName() {
  Value<Target> name = Text(&Target::name);
  name.write = [](const Target& target) {
    switch (target.kind) {
      case TargetKind::kMesh:
        return Json();
      case TargetKind::kNamespace:
        return Json(target.ns);
      case TargetKind::kService:
        break;
    }
    return Json(target.name);
  };
  return name;
}

void CheckOwnNamespace(ObjectReader& reader, std::string_view key) {
  const std::optional<std::string> ns = reader.Text(key);
  if (!ns || *ns == reader.ns()) return;
  reader.Complain(key, "cross-namespace references are not supported",
                  "remove it, or move the policy to namespace " + Quoted(*ns));
}

// Accepts what `check` takes, and keeps nothing.
Value<Target> Fixed(void (*check)(ObjectReader&, std::string_view), std::string_view format) {
  return {{.kind = FieldKind::kText, .format = format},
          [=](ObjectReader& reader, std::string_view key, Target&) { check(reader, key); },
          [](const Target&) { return Json(); }};
}

Schema<Target> TargetOf(const TargetKinds& kinds) {
  return Schema<Target>(
      {
          {"kind", Choice(&Target::kind, kinds), kRequired, "What the policy is bound to."},
          {"name", TargetName(), kNoDefault,
           "Name of the Service. With kind Namespace it may be left out, since only the policy's "
           "own namespace can be named; with kind Mesh there is none."},
          {"namespace", Fixed(CheckOwnNamespace, kNamespaceName.name), "that of the policy",
           "The namespace of the policy. Targets in other namespaces are not supported."},
          {"group", Fixed(CheckGroup, ""), "core",
           "API group: empty or `core`, the group of Services."},
      },
      FinishTarget,
      {{"self.kind != 'Service' || has(self.name) && self.name != ''",
        "name is required with kind Service"},
       {"self.kind != 'Mesh' || !has(self.name)", "name is not used with kind Mesh"}});
}

constexpr std::pair<std::string_view, TargetKind> kService = {"Service", TargetKind::kService};
constexpr std::pair<std::string_view, TargetKind> kNamespace = {"Namespace",
                                                                TargetKind::kNamespace};
constexpr std::pair<std::string_view, TargetKind> kMesh = {"Mesh", TargetKind::kMesh};

}  // namespace

void CheckGroup(ObjectReader& reader, std::string_view key) {
  const std::optional<std::string> group = reader.Text(key);
  if (!group || group->empty() || *group == "core") return;
  reader.Complain(key, "unsupported value " + Quoted(*group),
                  "remove it: Services are in the core group");
}

const Schema<Target>& ServiceTarget() {
  static const Schema<Target> schema = TargetOf({kService});
  return schema;
}

const Schema<Target>& ServiceOrNamespaceTarget() {
  static const Schema<Target> schema = TargetOf({kService, kNamespace});
  return schema;
}

const Schema<Target>& AnyTarget() {
  static const Schema<Target> schema = TargetOf({kService, kNamespace, kMesh});
  return schema;
}

}  // namespace tulle::policy
