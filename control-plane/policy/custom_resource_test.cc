#include "control-plane/policy/custom_resource.h"

#include <gtest/gtest.h>

#include <string>

#include "control-plane/policy/kinds.h"

namespace tulle::policy {
namespace {

using Json = nlohmann::json;

// What Kubernetes calls a structural schema; the API server refuses others.
void ExpectStructural(const Json& schema, const std::string& at) {
  ASSERT_TRUE(schema.contains("type")) << at;
  EXPECT_FALSE(schema.contains("$ref")) << at;
  if (schema.contains("properties")) {
    EXPECT_FALSE(schema.contains("additionalProperties")) << at;
    for (const auto& [name, value] : schema["properties"].items())
      ExpectStructural(value, at + "." + name);
  }
  if (schema.contains("items")) ExpectStructural(schema["items"], at + "[]");
}

TEST(CustomResource, EachKindOfOursHasADefinition) {
  size_t count = 0;
  for (const KindEntry& entry : AllKinds()) count += entry.api_version == kTulleApiVersion;
  const auto all = CustomResourceDefinitions();
  ASSERT_EQ(all.size(), count);
  for (const Json& each : all) {
    const Json& spec = each["spec"];
    const std::string plural = spec["names"]["plural"];
    EXPECT_EQ(each["metadata"]["name"], plural + ".tulle.dev");
    ASSERT_EQ(spec["versions"].size(), 1);
    const Json& schema = spec["versions"][0]["schema"]["openAPIV3Schema"];
    ExpectStructural(schema, plural);
    EXPECT_TRUE(schema["properties"]["spec"]["properties"].is_object());
    EXPECT_EQ(schema["required"], Json::array({"spec"}));
    EXPECT_EQ(spec["names"]["shortNames"].size(), 1);
  }
}

TEST(CustomResource, RulesBetweenFieldsAreCel) {
  for (const Json& each : CustomResourceDefinitions()) {
    if (each["spec"]["names"]["kind"] != "AuthorizationPolicy") continue;
    const Json& schema = each["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    const Json& rules = schema["properties"]["spec"]["x-kubernetes-validations"];
    ASSERT_EQ(rules.size(), 1);
    EXPECT_EQ(rules[0]["message"], "a DENY policy requires rules");
    return;
  }
  FAIL() << "no AuthorizationPolicy";
}

}  // namespace
}  // namespace tulle::policy
