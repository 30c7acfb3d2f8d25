#include "control-plane/policy/parse.h"

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "control-plane/policy/document_tree.h"
#include "control-plane/policy/kinds.h"
#include "control-plane/policy/names.h"
#include "control-plane/policy/object_reader.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

const YAML::Mark kWholeFile = YAML::Mark::null_mark();

// Null: there is no such kind, which has been reported.
const KindEntry* ReadKind(ObjectReader& root) {
  const std::string text = root.Text("kind").value_or("");
  const std::string version = root.Text("apiVersion").value_or("");
  if (version.empty()) {
    root.Complain("apiVersion", "required field is missing",
                  "set it to " + std::string(kTulleApiVersion) + ", or to " +
                      std::string(kGatewayApiVersion) + " for an HTTPRoute or a GRPCRoute");
  }
  if (text.empty()) {
    root.Complain("kind", "required field is missing", "set it to one of " + Joined(KindNames()));
    return nullptr;
  }
  const std::optional<Kind> kind = ParseKind(text);
  if (!kind || ToText(*kind) != text) {
    root.Complain("kind", "unknown kind " + Quoted(text),
                  DidYouMean(text, KindNames()) + "known kinds: " + Joined(KindNames()));
    return nullptr;
  }
  const KindEntry& entry = EntryOf(*kind);
  if (!version.empty() && version != entry.api_version) {
    root.Complain("apiVersion", "unsupported version " + Quoted(version) + " of " + text,
                  "use " + std::string(entry.api_version));
  }
  return &entry;
}

Document ReadDocument(const TreeNode& node, std::string_view default_ns, Diagnosis* diagnosis) {
  Document document;
  diagnosis->EnterDocument(default_ns);
  ObjectReader root(node, "", diagnosis);
  document.line = root.mark().line + 1;
  if (!node.is_map()) return document;
  const KindEntry* kind = ReadKind(root);
  const auto read_metadata = [&](ObjectReader& metadata) {
    MetadataFields().Read(metadata, document);
  };
  if (!root.Object("metadata", read_metadata)) {
    root.Complain("metadata", "required field is missing", "set metadata: {name: NAME}");
  }
  diagnosis->EnterDocument(document.key.ns);
  root.Ignore("status");
  root.Ignore("spec");
  if (kind != nullptr) {
    document.key.kind = kind->kind;
    const auto read_spec = [&](ObjectReader& spec) { document.spec = kind->read(spec); };
    if (!root.Object("spec", read_spec)) {
      root.Complain("spec", "required field is missing", "set the fields of the policy below it");
    }
  }
  root.Finish();
  return document;
}

void RefuseDuplicates(const std::vector<Document>& documents, Diagnosis* diagnosis) {
  std::map<DocumentKey, int> seen;
  for (const Document& document : documents) {
    const auto [entry, is_new] = seen.emplace(document.key, document.line);
    if (is_new) continue;
    YAML::Mark at;
    at.line = document.line - 1;
    at.column = 0;
    diagnosis->Add(at, "metadata.name", "duplicate " + ToText(document.key) + " in this file",
                   "remove one of the two; the first is in line " + std::to_string(entry->second));
  }
}

void ReadAll(const std::string& text, std::string_view default_ns, Diagnosis* diagnosis,
             std::vector<Document>* documents) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  TreeBuilder builder(diagnosis);
  while (builder.ok() && parser.HandleNextDocument(builder)) {
  }
  if (!builder.ok()) return;
  for (const TreeNode& node : builder.Take()) {
    if (!node.is_null()) documents->push_back(ReadDocument(node, default_ns, diagnosis));
  }
  if (!diagnosis->problems().empty()) return;
  RefuseDuplicates(*documents, diagnosis);
  if (documents->empty()) {
    diagnosis->Add(kWholeFile, "", "no policy found", "the file must have at least one document");
  }
}

// `line`: counted from 0.
bool IsIndentedByTab(std::string_view text, int line) {
  for (; line > 0; --line) {
    const size_t end = text.find('\n');
    if (end == text.npos) return false;
    text.remove_prefix(end + 1);
  }
  const size_t begin = text.find_first_not_of(' ');
  return begin != text.npos && text[begin] == '\t';
}

ParsedFile Finished(ParsedFile parsed, const Diagnosis& diagnosis) {
  parsed.problems = diagnosis.problems();
  if (!parsed.ok()) parsed.documents.clear();
  return parsed;
}

}  // namespace

ParsedFile ParseDocuments(std::string_view text, std::string_view file,
                          std::string_view default_ns) {
  ParsedFile parsed;
  Diagnosis diagnosis{std::string(file)};
  if (text.size() > kMostFileBytes) {
    diagnosis.Add(kWholeFile, "", "file is larger than 1 MiB",
                  "split its documents into several files");
  } else if (!IsUtf8(text)) {
    diagnosis.Add(kWholeFile, "", "file is not valid UTF-8", "save it in that encoding");
  } else {
    try {
      ReadAll(std::string(text), default_ns, &diagnosis, &parsed.documents);
    } catch (const YAML::Exception& error) {
      const bool has_tab = IsIndentedByTab(text, error.mark.line);
      diagnosis.Add(
          error.mark, "",
          "invalid YAML: " + (has_tab ? "tabs cannot be used for indentation" : error.msg),
          has_tab ? "indent with spaces" : "check the indentation and the quotes near this line");
    } catch (const std::exception& error) {
      diagnosis.Add(kWholeFile, "", std::string("cannot be parsed: ") + error.what(),
                    "use plain YAML or JSON");
    }
  }
  return Finished(std::move(parsed), diagnosis);
}

ParsedFile ParseObject(const nlohmann::json& object, std::string_view default_ns) {
  ParsedFile parsed;
  Diagnosis diagnosis{""};
  ShapeLimits limits(&diagnosis);
  const TreeNode node = TreeOf(object, &limits);
  if (limits.ok()) parsed.documents.push_back(ReadDocument(node, default_ns, &diagnosis));
  return Finished(std::move(parsed), diagnosis);
}

}  // namespace tulle::policy
