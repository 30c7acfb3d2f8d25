// Reads the fields of one mapping. Owner: the reading function, on the stack. Thread: one.
// Order: construct, read the known fields, Finish(), which reports the fields that were not asked
// for. Errors go to the Diagnosis and reading goes on. A field whose value is null counts as
// absent. The tree outlives this.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/diagnosis.h"
#include "control-plane/policy/document_tree.h"

namespace tulle::policy {

struct Fault {
  std::string message;
  std::string hint;
};

class ObjectReader {
 public:
  using ObjectFn = std::function<void(ObjectReader&)>;
  // What is wrong with a text, if anything is.
  using CheckFn = std::function<std::optional<Fault>(const std::string&)>;

  ObjectReader(const TreeNode& node, std::string path, Diagnosis* diagnosis);
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  bool Has(std::string_view key);
  // Absent, an empty text or an empty list: no value for a required field.
  bool IsEmpty(std::string_view key);
  // The key may be present and has no effect.
  void Ignore(std::string_view key);

  // Whether the value is that text. Reports nothing.
  bool Is(std::string_view key, std::string_view text);

  std::optional<std::string> Text(std::string_view key);
  std::optional<uint32_t> Integer(std::string_view key, uint32_t min, uint32_t max);
  std::optional<std::chrono::milliseconds> Duration(std::string_view key,
                                                    std::chrono::milliseconds min);
  std::vector<std::string> Texts(std::string_view key, size_t max_items, const CheckFn& check);
  std::vector<uint32_t> Integers(std::string_view key, uint32_t min, uint32_t max,
                                 size_t max_items);
  std::map<std::string, std::string> TextMap(std::string_view key);
  // Reads each element of a list of mappings.
  void Objects(std::string_view key, size_t max_items, const ObjectFn& read);
  // Reads a nested mapping. False when the field is absent.
  bool Object(std::string_view key, const ObjectFn& read);

  // Reports a problem at `key`, or at the mapping when the key is absent.
  void Complain(std::string_view key, std::string message, std::string hint);
  void Complain(std::string_view key, Fault fault);
  void Finish();

  // The namespace of the document.
  const std::string& ns() const { return diagnosis_->ns(); }
  const YAML::Mark& mark() const { return mark_; }

 private:
  struct Entry {
    std::string_view key;
    const TreeNode* value;
    YAML::Mark mark;
  };
  using Lines = std::map<std::string_view, int>;  // of the fields that were added
  using ElementFn = std::function<void(const TreeNode&, const std::string& path)>;

  void AddField(const TreeNode& key, const TreeNode& value, Lines* lines);
  std::string PathOf(std::string_view key) const;
  const Entry* Find(std::string_view key);
  void List(std::string_view key, size_t max_items, const ElementFn& each);
  std::optional<uint32_t> ParseInteger(const TreeNode& node, const std::string& path, uint32_t min,
                                       uint32_t max);

  std::string path_;
  Diagnosis* diagnosis_;
  YAML::Mark mark_;
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

// `text` as it may be shown in a message: short and without control characters, in quotes.
std::string Quoted(std::string_view text);
std::string Joined(const std::vector<std::string_view>& names);
// "did you mean X? " when one of `known` is close to `text`, else "".
std::string DidYouMean(std::string_view text, const std::vector<std::string_view>& known);
// For a text that is none of the values that a field takes.
Fault UnknownValue(std::string_view text, const std::vector<std::string_view>& known);

}  // namespace tulle::policy
