#include "control-plane/policy/document_tree.h"

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

constexpr size_t kMostNodes = 200000;
constexpr size_t kMostLevels = 32;
constexpr char kQuotedTag[] = "!";  // YAML 1.2.2, 6.9.1: quoted scalars have the non-specific tag

using Shape = TreeNode::Shape;

TreeNode TextNode(std::string text, bool is_quoted) {
  TreeNode node;
  node.shape = Shape::kScalar;
  node.is_quoted = is_quoted;
  node.text = std::move(text);
  return node;
}

TreeNode TreeAt(const nlohmann::json& json, ShapeLimits* limits, size_t levels) {
  const YAML::Mark nowhere = YAML::Mark::null_mark();
  limits->OnNode(nowhere);
  if (json.is_null()) return {};
  if (json.is_string()) return TextNode(json.get_ref<const std::string&>(), true);
  if (!json.is_structured()) return TextNode(json.dump(), false);
  limits->OnLevel(nowhere, levels + 1);
  TreeNode node;
  node.shape = json.is_object() ? Shape::kMap : Shape::kList;
  node.children.reserve(json.is_object() ? 2 * json.size() : json.size());
  for (auto it = json.begin(); it != json.end() && limits->ok(); ++it) {
    if (json.is_object()) {
      limits->OnNode(nowhere);
      node.children.push_back(TextNode(it.key(), true));
    }
    node.children.push_back(TreeAt(*it, limits, levels + 1));
  }
  return node;
}

}  // namespace

void ShapeLimits::OnDocument(const YAML::Mark& mark) {
  if (++documents_ <= kMostDocuments) return;
  Refuse(mark, "too many documents",
         "must be at most " + std::to_string(kMostDocuments) + " in a file");
}

void ShapeLimits::OnNode(const YAML::Mark& mark) {
  if (++nodes_ > kMostNodes) Refuse(mark, "too many values", "split them into several files");
}

void ShapeLimits::OnLevel(const YAML::Mark& mark, size_t levels) {
  if (levels <= kMostLevels) return;
  Refuse(mark, "nested too deeply", "must be at most " + std::to_string(kMostLevels) + " levels");
}

void ShapeLimits::RefuseAnchor(const YAML::Mark& mark) {
  Refuse(mark, "anchors and aliases are not supported", "write the value itself");
}

void ShapeLimits::Refuse(const YAML::Mark& mark, std::string message, std::string hint) {
  if (ok_) diagnosis_->Add(mark, "", std::move(message), std::move(hint));
  ok_ = false;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  Count(mark, anchor);
  TreeNode node;
  node.mark = mark;
  Keep(std::move(node));
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& text) {
  Count(mark, anchor);
  TreeNode node = TextNode(ok() ? text : "", tag == kQuotedTag);
  node.mark = mark;
  Keep(std::move(node));
}

void TreeBuilder::Count(const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (anchor != 0) limits_.RefuseAnchor(mark);
  limits_.OnNode(mark);
}

void TreeBuilder::Open(Shape shape, const YAML::Mark& mark, YAML::anchor_t anchor) {
  Count(mark, anchor);
  TreeNode& node = open_.emplace_back();
  node.shape = shape;
  node.mark = mark;
  limits_.OnLevel(mark, open_.size());
}

void TreeBuilder::Close() {
  TreeNode node = std::move(open_.back());
  open_.pop_back();
  Keep(std::move(node));
}

void TreeBuilder::Keep(TreeNode node) {
  if (!ok()) return;
  (open_.empty() ? documents_ : open_.back().children).push_back(std::move(node));
}

TreeNode TreeOf(const nlohmann::json& json, ShapeLimits* limits) { return TreeAt(json, limits, 0); }

}  // namespace tulle::policy
