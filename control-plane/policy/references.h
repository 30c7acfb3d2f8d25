// Fields by which policies name Services: targetRef, and the rows that parentRefs and backendRefs
// share. Constants and pure functions.
#pragma once

#include <string>
#include <vector>

#include "control-plane/policy/composite_values.h"
#include "control-plane/policy/model.h"

namespace tulle::policy {

// targetRef, by what a kind may be bound to.
const Schema<Target>& ServiceTarget();
const Schema<Target>& ServiceOrNamespaceTarget();
const Schema<Target>& AnyTarget();

// Accepts "" and "core".
void CheckGroup(ObjectReader& reader, std::string_view key);

enum class RefKind {
  kNamed,  // `kind: Service` is required, and written
  kImplied
};

// Sets the namespace of the Service; canonical JSON has it where it is not the policy's own.
template <typename Owner>
Value<Owner> ServiceNamespace() {
  return {{.kind = FieldKind::kText, .format = kNamespaceName.name},
          [](ObjectReader& reader, std::string_view key, Owner& owner) {
            const std::optional<std::string> ns = reader.Text(key);
            if (!ns || ns->empty()) return;
            owner.service.ns = *ns;
            if (const auto fault = kNamespaceName.Check(*ns)) reader.Complain(key, *fault);
          },
          [](const Owner& owner) { return Json(owner.service.ns); }};
}

// group, kind, namespace and name of a Service, for an Owner that has it as `service`.
template <typename Owner>
std::vector<Row<Owner>> ServiceRefRows(RefKind ref_kind) {
  const bool is_required = ref_kind == RefKind::kNamed;
  const auto unset = [](const Owner&) { return Json(); };
  return {
      {"kind",
       {{.kind = FieldKind::kText, .choices = {"Service"}},
        [](ObjectReader& reader, std::string_view key, Owner&) {
          const std::optional<std::string> kind = reader.Text(key);
          if (!kind || *kind == "Service") return;
          reader.Complain(key, "unsupported value " + Quoted(*kind),
                          "use Service: Tulle binds routes to Services");
        },
        [=](const Owner&) { return is_required ? Json("Service") : Json(); }},
       is_required ? kRequired : "Service",
       "What is referred to: always a Service."},
      {"name",
       {{.kind = FieldKind::kText, .format = kServiceName.name},
        [](ObjectReader& reader, std::string_view key, Owner& owner) {
          owner.service = {reader.ns(), reader.Text(key).value_or("")};
          const auto fault = kServiceName.Check(owner.service.name);
          if (fault) reader.Complain(key, *fault);
        },
        [](const Owner& owner) { return Json(owner.service.name); }},
       kRequired,
       "Name of the Service."},
      {"namespace", ServiceNamespace<Owner>(), "that of the policy", "Namespace of the Service."},
      {"group",
       {{.kind = FieldKind::kText},
        [](ObjectReader& reader, std::string_view key, Owner&) { CheckGroup(reader, key); },
        unset},
       "core",
       "API group: empty or `core`, the group of Services."},
  };
}

}  // namespace tulle::policy
