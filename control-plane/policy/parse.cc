#include "control-plane/policy/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <sstream>

#include "control-plane/policy/names.h"
#include "control-plane/policy/object_reader.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

constexpr size_t kMostNodes = 200000;
constexpr int kMostLevels = 32;

// Runs over the events before any tree is built, so that a hostile file costs no more than its
// bytes.
class ShapeCheck : public YAML::EventHandler {
 public:
  explicit ShapeCheck(Diagnosis* diagnosis) : diagnosis_(diagnosis) {}

  bool ok() const { return ok_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > kMostDocuments) {
      Refuse(mark, "too many documents",
             "at most " + std::to_string(kMostDocuments) + " in a file");
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
      Refuse(mark, "nested too deeply", "at most " + std::to_string(kMostLevels) + " levels");
    }
  }
  void OnNode(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) RefuseAnchor(mark);
    if (++nodes_ > kMostNodes) Refuse(mark, "too many values", "spread them over several files");
  }
  void RefuseAnchor(const YAML::Mark& mark) {
    Refuse(mark, "anchors and aliases are not supported", "write the value out");
  }
  void Refuse(const YAML::Mark& mark, std::string message, std::string hint) {
    if (ok_) diagnosis_->Add(mark.line + 1, "", std::move(message), std::move(hint));
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

std::optional<Kind> ReadKind(ObjectReader& root) {
  const std::string text = root.RequiredText(
      "kind",
      "HTTPRoute, ResiliencePolicy, AuthorizationPolicy, PeerAuthentication, ExternalService, "
      "TelemetryPolicy or EgressPolicy");
  const std::string version =
      root.RequiredText("apiVersion", std::string(kTulleApiVersion) + ", or " +
                                          std::string(kGatewayApiVersion) + " for an HTTPRoute");
  if (text.empty()) return std::nullopt;
  const std::vector<std::string_view> known = {
      "HTTPRoute",       "ResiliencePolicy", "AuthorizationPolicy", "PeerAuthentication",
      "ExternalService", "TelemetryPolicy",  "EgressPolicy"};
  const std::optional<Kind> kind = ParseKind(text);
  if (!kind || ToText(*kind) != text) {
    std::string hint =
        "one of HTTPRoute, ResiliencePolicy, AuthorizationPolicy, "
        "PeerAuthentication, ExternalService, TelemetryPolicy, EgressPolicy";
    if (const auto nearest = NearestName(text, known))
      hint = "did you mean " + *nearest + "? " + hint;
    root.Complain("kind", "\"" + text + "\" is not known in this version", hint);
    return std::nullopt;
  }
  const std::string_view wanted = *kind == Kind::kHttpRoute ? kGatewayApiVersion : kTulleApiVersion;
  if (!version.empty() && version != wanted) {
    root.Complain("apiVersion", "\"" + version + "\" is not the version of this kind",
                  "write " + std::string(wanted));
  }
  return kind;
}

void ReadMetadata(ObjectReader& metadata, std::string_view default_ns, Document* document) {
  document->key.name = metadata.RequiredText("name", "give the document a name");
  if (!document->key.name.empty() && !IsDnsName(document->key.name)) {
    metadata.Complain("name", "is no name", "lower-case letters, digits, - and ., at most 253");
  }
  document->key.ns = metadata.Text("namespace").value_or(std::string(default_ns));
  if (!IsDnsLabel(document->key.ns)) {
    metadata.Complain("namespace", "is no name of a namespace", "lower-case letters, digits and -");
  }
  document->labels = metadata.TextMap("labels");
  document->annotations = metadata.TextMap("annotations");
  for (const char* key :
       {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}) {
    metadata.Ignore(key);  // an object read back from Kubernetes carries them
  }
}

Spec ReadSpec(Kind kind, ObjectReader& spec, const std::string& ns) {
  switch (kind) {
    case Kind::kHttpRoute:
      return ReadHttpRoute(spec, ns);
    case Kind::kResiliencePolicy:
      return ReadResiliencePolicy(spec, ns);
    case Kind::kAuthorizationPolicy:
      return ReadAuthorizationPolicy(spec, ns);
    case Kind::kPeerAuthentication:
      return ReadPeerAuthentication(spec, ns);
    case Kind::kExternalService:
      return ReadExternalService(spec, ns);
    case Kind::kTelemetryPolicy:
      return ReadTelemetryPolicy(spec, ns);
    case Kind::kEgressPolicy:
      break;
  }
  return ReadEgressPolicy(spec, ns);
}

Document ReadDocument(const YAML::Node& node, std::string_view default_ns, Diagnosis* diagnosis) {
  Document document;
  ObjectReader root(node, "", diagnosis);
  document.line = root.line();
  if (!node.IsMap()) return document;
  const std::optional<Kind> kind = ReadKind(root);
  if (!root.Object("metadata", [&](ObjectReader& metadata) {
        ReadMetadata(metadata, default_ns, &document);
      })) {
    root.Complain("metadata", "is missing", "write metadata: {name: ...}");
  }
  root.Ignore("status");
  if (!kind) {
    root.Ignore("spec");
  } else {
    document.key.kind = *kind;
    const auto read = [&](ObjectReader& spec) {
      document.spec = ReadSpec(*kind, spec, document.key.ns);
    };
    if (!root.Object("spec", read))
      root.Complain("spec", "is missing", "write what the policy says");
  }
  root.Finish();
  return document;
}

void RefuseTwins(const std::vector<Document>& documents, Diagnosis* diagnosis) {
  std::map<DocumentKey, int> seen;
  for (const Document& document : documents) {
    const auto [entry, is_new] = seen.emplace(document.key, document.line);
    if (is_new) continue;
    diagnosis->Add(document.line, "metadata.name",
                   ToText(document.key) + " stands in this file twice",
                   "keep one (the first is in line " + std::to_string(entry->second) + ")");
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
  RefuseTwins(*documents, diagnosis);
  if (documents->empty()) diagnosis->Add(0, "", "holds no policy", "write at least one document");
}

}  // namespace

ParsedFile ParseDocuments(std::string_view text, std::string_view file,
                          std::string_view default_ns) {
  ParsedFile parsed;
  Diagnosis diagnosis{std::string(file)};
  if (text.size() > kMostFileBytes) {
    diagnosis.Add(0, "", "is larger than 1 MiB", "spread its documents over several files");
  } else if (!IsUtf8(text)) {
    diagnosis.Add(0, "", "is no text in UTF-8", "save it in that encoding");
  } else {
    try {
      ReadAll(std::string(text), default_ns, &diagnosis, &parsed.documents);
    } catch (const YAML::Exception& error) {
      diagnosis.Add(error.mark.line + 1, "", "is no YAML: " + error.msg,
                    "check the indentation and the quotes near this line");
    } catch (const std::exception& error) {
      diagnosis.Add(0, "", std::string("cannot be read: ") + error.what(),
                    "write plain YAML or JSON");
    }
  }
  parsed.problems = diagnosis.problems();
  if (!parsed.ok()) parsed.documents.clear();
  return parsed;
}

}  // namespace tulle::policy
