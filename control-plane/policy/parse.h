// Parses policies from YAML (several documents) or JSON. A file is accepted or rejected as a whole:
// either all its documents are valid, or all its problems are reported and none of it is used.
// Pure; any thread. Linked into the CLI too, so it knows no store and no network. Limits: 1 MiB,
// 1000 documents, 200,000 nodes, 32 levels. Anchors and aliases are rejected, since they can expand
// without limit.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/policy/problem.h"

namespace tulle::policy {

inline constexpr size_t kMostFileBytes = 1 << 20;
inline constexpr size_t kMostDocuments = 1000;

struct ParsedFile {
  std::vector<Document> documents;  // empty when there are problems
  Problems problems;

  bool ok() const { return problems.empty(); }
};

// `file` is the name shown in problems, `default_ns` the namespace of documents that name none.
ParsedFile ParseDocuments(std::string_view text, std::string_view file,
                          std::string_view default_ns = kDefaultNamespace);
// One policy that is JSON already, as Kubernetes stores it. The same limits and words; its problems
// have no place in a file.
ParsedFile ParseObject(const nlohmann::json& object, std::string_view default_ns);

}  // namespace tulle::policy
