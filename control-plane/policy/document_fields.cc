#include "control-plane/policy/composite_values.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

void CheckWith(const TextFormat& format, ObjectReader& reader, std::string_view key,
               const std::string& text) {
  if (const auto fault = format.Check(text)) reader.Complain(key, *fault);
}

Value<Document> Name() {
  return {{.kind = FieldKind::kText, .format = "DNS name"},
          [](ObjectReader& reader, std::string_view key, Document& document) {
            document.key.name = reader.Text(key).value_or("");
            CheckWith(kDnsName, reader, key, document.key.name);
          },
          [](const Document& document) { return Json(document.key.name); }};
}

Value<Document> Namespace() {
  return {{.kind = FieldKind::kText, .format = kNamespaceName.name},
          [](ObjectReader& reader, std::string_view key, Document& document) {
            document.key.ns = reader.Text(key).value_or(reader.ns());
            CheckWith(kNamespaceName, reader, key, document.key.ns);
          },
          [](const Document& document) { return Json(document.key.ns); }};
}

Value<Document> TextMap(std::map<std::string, std::string> Document::*member) {
  return {{.kind = FieldKind::kTextMap},
          [=](ObjectReader& reader, std::string_view key, Document& document) {
            document.*member = reader.TextMap(key);
          },
          [=](const Document& document) {
            return (document.*member).empty() ? Json() : Json(document.*member);
          }};
}

// An object that was read back from the API carries them.
void ReadServerFields(ObjectReader& reader, Document& document) {
  document.resource_version = reader.Text("resourceVersion").value_or("");
  for (const char* key : {"uid", "generation", "creationTimestamp", "managedFields"}) {
    reader.Ignore(key);
  }
}

}  // namespace

const Schema<Document>& MetadataFields() {
  static const Schema<Document> schema(
      {
          {"name", Name(), kRequired,
           "Name of the policy, unique for its kind and namespace. At most 253 characters."},
          {"namespace", Namespace(), "-n, the context's, else default",
           "Namespace of the policy and of everything that it names. At most 63 characters."},
          {"labels", TextMap(&Document::labels), kNoDefault, "Kept, without an effect."},
          {"annotations", TextMap(&Document::annotations), kNoDefault, "Kept, without an effect."},
      },
      ReadServerFields);
  return schema;
}

}  // namespace tulle::policy
