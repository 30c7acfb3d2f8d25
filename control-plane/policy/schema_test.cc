// What every table of fields must hold, and what is made from them.

#include <gtest/gtest.h>

#include "control-plane/policy/kinds.h"
#include "control-plane/policy/openapi_schema.h"
#include "control-plane/policy/reference.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

// Calls `visit` for each field below the document, with its path.
template <typename Visit>
void ForEachField(const ObjectFields& fields, const std::string& path, const Visit& visit) {
  for (const Field* field : fields.Supported()) {
    const std::string at = path + "." + std::string(field->name);
    visit(*field, at);
    if (field->type.kind == FieldKind::kObject) ForEachField(field->type.object(), at, visit);
  }
}

TEST(Schema, EveryFieldIsDescribedInSentences) {
  int count = 0;
  for (const KindEntry& kind : AllKinds()) {
    ForEachField(DocumentFieldsOf(kind.kind), std::string(kind.name),
                 [&](const Field& field, const std::string& at) {
                   ++count;
                   ASSERT_FALSE(field.description.empty()) << at;
                   EXPECT_NE(field.description.find('|'), 0) << at;
                   EXPECT_EQ(field.description.find('|'), std::string_view::npos) << at;
                   EXPECT_FALSE(TypeText(field.type).empty()) << at;
                   if (field.type.kind == FieldKind::kInteger) {
                     EXPECT_LT(field.type.min, field.type.max) << at;
                   }
                   if (field.type.is_list) {
                     EXPECT_GT(field.type.max_items, 0) << at;
                   }
                 });
  }
  EXPECT_GT(count, 150);
}

TEST(Schema, AFieldIsFoundByItsPath) {
  const FieldSearch found = FindField(Kind::kResiliencePolicy, "spec.retries.backoff.base");
  ASSERT_NE(found.field, nullptr);
  EXPECT_EQ(found.field->default_text, "25ms");
  EXPECT_EQ(TypeText(found.field->type), "duration, not 0s");
  EXPECT_NE(FindField(Kind::kHttpRoute, "spec.rules[0].matches[].path.type").field, nullptr);
  EXPECT_EQ(FindField(Kind::kHttpRoute, "").field, nullptr);
  EXPECT_NE(FindField(Kind::kHttpRoute, "metadata.name").field, nullptr);
}

TEST(Schema, TheNameThatIsUnknownIsTold) {
  const FieldSearch found = FindField(Kind::kResiliencePolicy, "spec.timeout.request");
  EXPECT_EQ(found.field, nullptr);
  EXPECT_EQ(found.unknown, "timeout");
  ASSERT_NE(found.parent, nullptr);
  EXPECT_NE(found.parent->Find("timeouts"), nullptr);
  EXPECT_EQ(FindField(Kind::kResiliencePolicy, "spec.loadBalancing.x").unknown, "x");
  EXPECT_EQ(FindField(Kind::kHttpRoute, "spec.rules.sessionPersistence").unknown,
            "sessionPersistence");
}

// What Kubernetes requires of the schema of `spec` in a CustomResourceDefinition.
void ExpectStructural(const Json& schema, const std::string& at) {
  ASSERT_TRUE(schema.contains("type")) << at;
  EXPECT_FALSE(schema.contains("$ref")) << at;
  EXPECT_FALSE(schema.contains("default")) << at;
  if (schema["type"] == "array") ExpectStructural(schema.at("items"), at + "[]");
  if (schema["type"] != "object") return;
  EXPECT_NE(schema.contains("properties"), schema.contains("additionalProperties")) << at;
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, value] : properties.items()) ExpectStructural(value, at + "." + name);
  const Json required = schema.value("required", Json::array());
  for (const Json& name : required) {
    EXPECT_TRUE(schema["properties"].contains(name)) << at;
  }
}

TEST(Schema, OpenApiIsStructural) {
  for (const KindEntry& kind : AllKinds()) {
    ExpectStructural(OpenApiSchemaOf(kind.kind), std::string(kind.name));
  }
}

TEST(Schema, OpenApiHasBoundsChoicesAndDefaults) {
  const Json spec = OpenApiSchemaOf(Kind::kResiliencePolicy)["properties"]["spec"]["properties"];
  const Json& attempts = spec["retries"]["properties"]["attempts"];
  EXPECT_EQ(attempts["type"], "integer");
  EXPECT_EQ(attempts["maximum"], 10);
  EXPECT_NE(attempts["description"].get<std::string>().find("Default: 2."), std::string::npos);
  EXPECT_EQ(spec["loadBalancing"]["enum"][1], "leastRequest");
  EXPECT_EQ(spec["retries"]["properties"]["on"]["items"]["enum"].size(), 12);
  EXPECT_EQ(OpenApiSchemaOf(Kind::kPeerAuthentication)["properties"]["spec"]["required"],
            Json({"targetRef", "mode"}));
}

TEST(Schema, TheReferenceNamesKindsThatThePageLacks) {
  std::string page;
  for (const KindEntry& kind : AllKinds()) {
    if (kind.kind == Kind::kEgressPolicy) continue;
    page += "<!-- fields of " + std::string(kind.name) + " -->\n<!-- end of fields -->\n";
  }
  std::vector<std::string_view> missing;
  WithReferences(page, &missing);
  EXPECT_EQ(missing, std::vector<std::string_view>{"EgressPolicy"});
}

TEST(Schema, TheReferenceReplacesWhatStandsBetweenItsMarks) {
  const std::string page = "a\n<!-- fields of EgressPolicy -->\nold\n<!-- end of fields -->\nb\n";
  std::vector<std::string_view> missing;
  const std::string updated = WithReferences(page, &missing);
  EXPECT_EQ(updated.find("old"), std::string::npos);
  EXPECT_NE(updated.find("| `unknownDestinations` | ALLOW or DENY | required | "),
            std::string::npos);
  EXPECT_TRUE(updated.starts_with("a\n") && updated.ends_with("<!-- end of fields -->\nb\n"));
  EXPECT_EQ(WithReferences(updated, &missing), updated);
}

}  // namespace
}  // namespace tulle::policy
