// The kinds of policies: names, what each is for and its table of fields. The way in for everybody
// who works on policies of any kind: parser, canonical JSON, OpenAPI, `tullectl explain`,
// completion. Constants; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/field.h"
#include "control-plane/policy/model.h"

namespace tulle::policy {

class ObjectReader;

struct KindEntry {
  Kind kind;
  std::string_view name;        // "HTTPRoute"
  std::string_view plural;      // "httproutes"
  std::string_view short_name;  // "hr"
  std::string_view api_version;
  std::string_view summary;  // one line
  const ObjectFields& (*fields)();
  Spec (*read)(ObjectReader&);  // the caller ends with Finish()
  nlohmann::json (*write)(const Spec&);
};

// In the order in which they are documented.
std::span<const KindEntry> AllKinds();
const KindEntry& EntryOf(Kind kind);
// "HTTPRoute, ResiliencePolicy, ..."
std::vector<std::string_view> KindNames();

// apiVersion, kind, metadata and spec of a document of this kind.
const ObjectFields& DocumentFieldsOf(Kind kind);

// Looks a field up by its path below the document: "spec.timeouts.request",
// "spec.rules[].matches"; an empty path is the document itself.
struct FieldSearch {
  const ObjectFields* parent = nullptr;  // the object that was searched last
  const Field* field = nullptr;          // null: not found, or the path is empty
  std::string unknown = {};              // the name that was not found, else empty
};
FieldSearch FindField(Kind kind, std::string_view path);

}  // namespace tulle::policy
