#include "control-plane/policy/object_reader.h"

#include <algorithm>
#include <charconv>

#include "control-plane/policy/names.h"
#include "net/usage/suggestion.h"

namespace tulle::policy {
namespace {

constexpr size_t kMaxTextBytes = 8192;

std::string Shortened(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return text.size() > 80 ? shown + "..." : shown;
}

}  // namespace

std::string Quoted(std::string_view text) { return "\"" + Shortened(text) + "\""; }

std::string Joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

std::string DidYouMean(std::string_view text, const std::vector<std::string_view>& known) {
  const std::optional<std::string> nearest = usage::NearestName(text, known);
  return nearest ? "did you mean " + *nearest + "? " : "";
}

Fault UnknownValue(std::string_view text, const std::vector<std::string_view>& known) {
  return {"unsupported value " + Quoted(text),
          DidYouMean(text, known) + "supported values: " + Joined(known)};
}

ObjectReader::ObjectReader(const TreeNode& node, std::string path, Diagnosis* diagnosis)
    : path_(std::move(path)), diagnosis_(diagnosis), mark_(node.mark) {
  if (!node.is_map()) {
    diagnosis_->Add(mark_, path_, "expected an object", "write its fields as key: value");
    return;
  }
  Lines lines;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2)
    AddField(node.children[i], node.children[i + 1], &lines);
}

void ObjectReader::AddField(const TreeNode& key, const TreeNode& value, Lines* lines) {
  if (!key.is_scalar()) {
    diagnosis_->Add(key.mark, path_, "a key must be text", "write the field as key: value");
    return;
  }
  const auto [first, is_new] = lines->emplace(key.text, key.mark.line + 1);
  if (is_new) {
    entries_.push_back({key.text, &value, key.mark});
    return;
  }
  diagnosis_->Add(key.mark, PathOf(key.text), "duplicate field",
                  "remove one of the two; the first is in line " + std::to_string(first->second));
}

std::string ObjectReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + Shortened(key);
}

const ObjectReader::Entry* ObjectReader::Find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  for (const Entry& entry : entries_) {
    if (entry.key == key) return entry.value->is_null() ? nullptr : &entry;
  }
  return nullptr;
}

bool ObjectReader::Has(std::string_view key) { return Find(key) != nullptr; }
void ObjectReader::Ignore(std::string_view key) { Find(key); }

bool ObjectReader::IsEmpty(std::string_view key) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return true;
  if (entry->value->is_scalar()) return entry->value->text.empty();
  return entry->value->is_list() && entry->value->children.empty();
}

void ObjectReader::Complain(std::string_view key, std::string message, std::string hint) {
  const Entry* entry = Find(key);
  diagnosis_->Add(entry == nullptr ? mark_ : entry->mark, PathOf(key), std::move(message),
                  std::move(hint));
}

void ObjectReader::Complain(std::string_view key, Fault fault) {
  Complain(key, std::move(fault.message), std::move(fault.hint));
}

bool ObjectReader::Is(std::string_view key, std::string_view text) {
  const Entry* entry = Find(key);
  return entry != nullptr && entry->value->is_scalar() && entry->value->text == text;
}

std::optional<std::string> ObjectReader::Text(std::string_view key) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  if (!entry->value->is_scalar()) {
    Complain(key, "expected a single value", "write one value after the colon");
    return std::nullopt;
  }
  if (entry->value->text.size() > kMaxTextBytes) {
    Complain(key, "value is too long", "use at most " + std::to_string(kMaxTextBytes) + " bytes");
    return std::nullopt;
  }
  return entry->value->text;
}

std::optional<uint32_t> ObjectReader::ParseInteger(const TreeNode& node, const std::string& path,
                                                   uint32_t min, uint32_t max) {
  const std::string text = node.is_scalar() ? node.text : "";
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_quoted = node.is_scalar() && node.is_quoted;
  if (error == std::errc() && end == text.data() + text.size() && !is_quoted && value >= min &&
      value <= max) {
    return value;
  }
  diagnosis_->Add(node.mark, path,
                  node.is_scalar() ? "invalid number " + Quoted(text) : "expected a number",
                  "must be a whole number between " + std::to_string(min) + " and " +
                      std::to_string(max) + (is_quoted ? ", without quotes" : ""));
  return std::nullopt;
}

std::optional<uint32_t> ObjectReader::Integer(std::string_view key, uint32_t min, uint32_t max) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return std::nullopt;
  return ParseInteger(*entry->value, PathOf(key), min, max);
}

std::optional<std::chrono::milliseconds> ObjectReader::Duration(std::string_view key,
                                                                std::chrono::milliseconds min) {
  const std::optional<std::string> text = Text(key);
  if (!text) return std::nullopt;
  const std::optional<std::chrono::milliseconds> duration = ParseDuration(*text);
  if (!duration) {
    Complain(key, "invalid duration " + Quoted(*text), "use a value like 500ms, 2s or 1m30s");
  } else if (*duration > kLongestDuration) {
    Complain(key, "duration " + Quoted(*text) + " is too long", "use at most 87600h (10 years)");
    return std::nullopt;
  } else if (*duration < min) {
    Complain(
        key, "duration " + Quoted(*text) + " is too short",
        min.count() == 1 ? "must be greater than 0s" : "must be at least " + FormatDuration(min));
  }
  return duration;
}

void ObjectReader::List(std::string_view key, size_t max_items, const ElementFn& each) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return;
  if (!entry->value->is_list()) {
    Complain(key, "expected a list", "begin each element with \"- \" on a line of its own");
    return;
  }
  if (entry->value->children.size() > max_items) {
    Complain(
        key, "too many elements: " + std::to_string(entry->value->children.size()),
        "must be at most " + std::to_string(max_items) + "; split the list into several documents");
    return;
  }
  size_t index = 0;
  for (const TreeNode& element : entry->value->children) {
    each(element, PathOf(key) + "[" + std::to_string(index++) + "]");
  }
}

std::vector<std::string> ObjectReader::Texts(std::string_view key, size_t max_items,
                                             const CheckFn& check) {
  std::vector<std::string> texts;
  List(key, max_items, [&](const TreeNode& element, const std::string& path) {
    const bool is_text =
        element.is_scalar() && !element.text.empty() && element.text.size() <= kMaxTextBytes;
    if (!is_text) {
      diagnosis_->Add(element.mark, path, "expected a single value", "must not be empty");
      return;
    }
    std::optional<Fault> fault = check(element.text);
    if (fault) diagnosis_->Add(element.mark, path, fault->message, fault->hint);
    texts.push_back(element.text);
  });
  return texts;
}

std::vector<uint32_t> ObjectReader::Integers(std::string_view key, uint32_t min, uint32_t max,
                                             size_t max_items) {
  std::vector<uint32_t> values;
  List(key, max_items, [&](const TreeNode& element, const std::string& path) {
    if (const auto value = ParseInteger(element, path, min, max)) values.push_back(*value);
  });
  return values;
}

std::map<std::string, std::string> ObjectReader::TextMap(std::string_view key) {
  std::map<std::string, std::string> map;
  const Entry* entry = Find(key);
  if (entry == nullptr) return map;
  ObjectReader object(*entry->value, PathOf(key), diagnosis_);
  for (const Entry& pair : object.entries_) {
    if (const auto text = object.Text(pair.key)) map[std::string(pair.key)] = *text;
  }
  return map;
}

void ObjectReader::Objects(std::string_view key, size_t max_items, const ObjectFn& read) {
  List(key, max_items, [&](const TreeNode& element, const std::string& path) {
    ObjectReader object(element, path, diagnosis_);
    if (!element.is_map()) return;
    read(object);
    object.Finish();
  });
}

bool ObjectReader::Object(std::string_view key, const ObjectFn& read) {
  const Entry* entry = Find(key);
  if (entry == nullptr) return false;
  ObjectReader object(*entry->value, PathOf(key), diagnosis_);
  if (!entry->value->is_map()) return true;
  read(object);
  object.Finish();
  return true;
}

void ObjectReader::Finish() {
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const Entry& entry : entries_) {
    if (diagnosis_->is_full()) return;  // suggestions cost more than the fields
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    diagnosis_->Add(entry.mark, PathOf(entry.key), "unknown field",
                    DidYouMean(entry.key, known) + "known fields: " + Joined(known));
  }
}

}  // namespace tulle::policy
