#include "control-plane/policy/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <sstream>

#include "control-plane/policy/kinds.h"
#include "control-plane/policy/names.h"
#include "control-plane/policy/object_reader.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

constexpr size_t kMostNodes = 200000;
constexpr int kMostLevels = 32;
const YAML::Mark kWholeFile = YAML::Mark::null_mark();

// Runs over the events before any tree is built, so that a hostile file costs no more than its
// size.
class ShapeCheck : public YAML::EventHandler {
 public:
  explicit ShapeCheck(Diagnosis* diagnosis) : diagnosis_(diagnosis) {}

  bool ok() const { return ok_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > kMostDocuments) {
      Refuse(mark, "too many documents",
             "must be at most " + std::to_string(kMostDocuments) + " in a file");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { OnNode(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { RefuseAnchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string&) override {
    OnNode(mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Enter(mark, anchor);
  }
  void OnSequenceEnd() override { --level_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Enter(mark, anchor);
  }
  void OnMapEnd() override { --level_; }

 private:
  void Enter(const YAML::Mark& mark, YAML::anchor_t anchor) {
    OnNode(mark, anchor);
    if (++level_ > kMostLevels) {
      Refuse(mark, "nested too deeply",
             "must be at most " + std::to_string(kMostLevels) + " levels");
    }
  }
  void OnNode(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) RefuseAnchor(mark);
    if (++nodes_ > kMostNodes) Refuse(mark, "too many values", "split them into several files");
  }
  void RefuseAnchor(const YAML::Mark& mark) {
    Refuse(mark, "anchors and aliases are not supported", "write the value itself");
  }
  void Refuse(const YAML::Mark& mark, std::string message, std::string hint) {
    if (ok_) diagnosis_->Add(mark, "", std::move(message), std::move(hint));
    ok_ = false;
  }

  Diagnosis* diagnosis_;
  bool ok_ = true;
  size_t documents_ = 0;
  size_t nodes_ = 0;
  int level_ = 0;
};

bool HasGoodShape(const std::string& text, Diagnosis* diagnosis) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  ShapeCheck check(diagnosis);
  while (check.ok() && parser.HandleNextDocument(check)) {
  }
  return check.ok();
}

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

Document ReadDocument(const YAML::Node& node, std::string_view default_ns, Diagnosis* diagnosis) {
  Document document;
  diagnosis->EnterDocument(default_ns);
  ObjectReader root(node, "", diagnosis);
  document.line = root.mark().line + 1;
  if (!node.IsMap()) return document;
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
  if (!HasGoodShape(text, diagnosis)) return;
  for (const YAML::Node& node : YAML::LoadAll(text)) {
    if (!node.IsDefined() || node.IsNull()) continue;
    documents->push_back(ReadDocument(node, default_ns, diagnosis));
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
  parsed.problems = diagnosis.problems();
  if (!parsed.ok()) parsed.documents.clear();
  return parsed;
}

}  // namespace tulle::policy
