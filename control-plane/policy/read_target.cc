#include <algorithm>
#include <vector>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

std::string_view NameOf(TargetKind kind) {
  switch (kind) {
    case TargetKind::kService:
      return "Service";
    case TargetKind::kNamespace:
      return "Namespace";
    case TargetKind::kMesh:
      break;
  }
  return "Mesh";
}

void ReadNamespace(ObjectReader& reference, const std::string& ns) {
  const std::optional<std::string> own = reference.Text("namespace");
  if (own && *own != ns) {
    reference.Complain("namespace", "names another namespace than the document's",
                       "leave it out, or move the document to namespace " + *own);
  }
}

std::string ReadServiceLabel(ObjectReader& reference) {
  std::string name = reference.RequiredText("name", "write the Service's name");
  if (!name.empty() && !IsDnsLabel(name)) {
    reference.Complain("name", "is no name of a Service",
                       "write the short name: lower-case letters, digits and -, at most 63");
  }
  return name;
}

void ReadGroup(ObjectReader& reference) {
  const std::optional<std::string> group = reference.Text("group");
  if (group && !group->empty() && *group != "core") {
    reference.Complain("group", "is not known here", "leave it out: Services have none");
  }
}

}  // namespace

Target ReadTarget(ObjectReader& spec, const std::string& ns,
                  std::initializer_list<TargetKind> allowed) {
  Target target;
  std::string kinds;
  for (const TargetKind kind : allowed) {
    kinds += (kinds.empty() ? "" : " or ") + std::string(NameOf(kind));
  }
  const bool there = spec.Object("targetRef", [&](ObjectReader& reference) {
    ReadGroup(reference);
    ReadNamespace(reference, ns);
    const std::string kind = reference.RequiredText("kind", "write " + kinds);
    const auto known = std::find_if(allowed.begin(), allowed.end(),
                                    [&](TargetKind each) { return NameOf(each) == kind; });
    if (known == allowed.end()) {
      if (!kind.empty())
        reference.Complain("kind", "\"" + kind + "\" cannot be bound to", "write " + kinds);
      reference.Ignore("name");
      return;
    }
    target.kind = *known;
    if (target.kind == TargetKind::kService) target.name = ReadServiceLabel(reference);
    if (target.kind != TargetKind::kMesh) target.ns = ns;
    if (target.kind == TargetKind::kNamespace) {
      const std::optional<std::string> name = reference.Text("name");
      if (name && *name != ns) {
        reference.Complain("name", "names another namespace than the document's",
                           "set metadata.namespace to " + *name);
      }
    }
  });
  if (!there) spec.Complain("targetRef", "is missing", "write {kind: " + kinds + ", name: ...}");
  return target;
}

ServiceName ReadServiceRef(ObjectReader& reference, const std::string& ns, bool kind_required) {
  ReadGroup(reference);
  ReadNamespace(reference, ns);
  const std::optional<std::string> kind = reference.Text("kind");
  if (kind ? *kind != "Service" : kind_required) {
    reference.Complain("kind", kind ? "\"" + *kind + "\" is not supported" : "is missing",
                       "write kind: Service (Tulle binds routes to Services)");
  }
  return {ns, ReadServiceLabel(reference)};
}

}  // namespace tulle::policy
