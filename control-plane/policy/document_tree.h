// A document before its fields are read, from the events of a YAML parser or from JSON. The limits
// of the shape (parse.h) hold while the tree is built, so that a hostile file costs no more than
// its size. Owner: ParseDocuments and ParseObject, on the stack. Thread: any.
#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/policy/diagnosis.h"

namespace tulle::policy {

struct TreeNode {
  enum class Shape : uint8_t { kNull, kScalar, kList, kMap };

  bool is_null() const { return shape == Shape::kNull; }
  bool is_scalar() const { return shape == Shape::kScalar; }
  bool is_list() const { return shape == Shape::kList; }
  bool is_map() const { return shape == Shape::kMap; }

  Shape shape = Shape::kNull;
  bool is_quoted = false;  // a scalar that is a text, whatever it looks like
  YAML::Mark mark = YAML::Mark::null_mark();
  std::string text;                // of a scalar
  std::vector<TreeNode> children;  // the elements of a list; of a map: keys and values in turn
};

// Counts what a file has, and reports the first limit that it passes.
class ShapeLimits {
 public:
  explicit ShapeLimits(Diagnosis* diagnosis) : diagnosis_(diagnosis) {}

  bool ok() const { return ok_; }
  void OnDocument(const YAML::Mark& mark);
  void OnNode(const YAML::Mark& mark);
  // `levels`: that are open, this one included.
  void OnLevel(const YAML::Mark& mark, size_t levels);
  void RefuseAnchor(const YAML::Mark& mark);

 private:
  void Refuse(const YAML::Mark& mark, std::string message, std::string hint);

  Diagnosis* diagnosis_;
  bool ok_ = true;
  size_t documents_ = 0;
  size_t nodes_ = 0;
};

// Builds the trees of all documents of a file.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Diagnosis* diagnosis) : limits_(diagnosis) {}

  // False: a limit is passed, and the rest is not kept.
  bool ok() const { return limits_.ok(); }
  std::vector<TreeNode> Take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark& mark) override { limits_.OnDocument(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { limits_.RefuseAnchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(TreeNode::Shape::kList, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(TreeNode::Shape::kMap, mark, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  void Count(const YAML::Mark& mark, YAML::anchor_t anchor);
  void Open(TreeNode::Shape shape, const YAML::Mark& mark, YAML::anchor_t anchor);
  void Close();
  // Into the innermost one that is open.
  void Keep(TreeNode node);

  ShapeLimits limits_;
  std::vector<TreeNode> documents_;
  std::vector<TreeNode> open_;
};

// Check `limits` before the tree is used.
TreeNode TreeOf(const nlohmann::json& json, ShapeLimits* limits);

}  // namespace tulle::policy
