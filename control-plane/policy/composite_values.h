// More values for the rows of a Schema: one of several words, flags, and objects in objects.
// Functions are pure.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/policy/values.h"

namespace tulle::policy {

template <typename Enum>
using Choices = std::vector<std::pair<std::string_view, Enum>>;

template <typename Enum>
std::vector<std::string_view> WordsOf(const Choices<Enum>& choices) {
  std::vector<std::string_view> words;
  for (const auto& [word, value] : choices) words.push_back(word);
  return words;
}

// The member's value, said by one of the words.
template <typename Owner, typename Member>
Value<Owner> Choice(Member Owner::*member,
                    std::type_identity_t<Choices<UnwrappedType<Member>>> choices) {
  return {{.kind = FieldKind::kText, .choices = WordsOf(choices)},
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            const std::optional<std::string> text = reader.Text(key);
            if (!text) return;
            for (const auto& [word, value] : choices) {
              if (word != *text) continue;
              owner.*member = value;
              return;
            }
            reader.Complain(key, UnknownValue(*text, WordsOf(choices)));
          },
          [=](const Owner& owner) {
            const auto* value = ValueIn(owner.*member);
            for (const auto& [word, each] : choices) {
              if (value != nullptr && *value == each) return Json(std::string(word));
            }
            return Json();
          }};
}

// Written only when it is set.
template <typename Owner>
Value<Owner> Flag(bool Owner::*member) {
  Value<Owner> value = Choice(member, {{"true", true}, {"false", false}});
  value.type = {.kind = FieldKind::kBoolean};
  value.write = [=](const Owner& owner) { return owner.*member ? Json(true) : Json(); };
  return value;
}

template <typename Nested>
FieldType ObjectType(const Schema<Nested>& (*schema)()) {
  return {.kind = FieldKind::kObject,
          .object = [schema]() -> const ObjectFields& { return schema(); }};
}

// An object that fills a member of its own.
template <typename Owner, typename Member>
Value<Owner> Object(Member Owner::*member, const Schema<UnwrappedType<Member>>& (*schema)()) {
  return {ObjectType(schema),
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            reader.Object(
                key, [&](ObjectReader& nested) { schema().Read(nested, FreshIn(owner.*member)); });
          },
          [=](const Owner& owner) {
            const auto* value = ValueIn(owner.*member);
            Json json = value == nullptr ? Json() : schema().Write(*value);
            return json.empty() ? Json() : json;
          }};
}

// An object whose fields fill members of the same owner. `is_set` says whether to write it, where
// fields that are always written do not tell.
template <typename Owner>
Value<Owner> Part(const Schema<Owner>& (*schema)(), bool (*is_set)(const Owner&) = nullptr) {
  return {ObjectType(schema),
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            reader.Object(key, [&](ObjectReader& nested) { schema().Read(nested, owner); });
          },
          [=](const Owner& owner) {
            if (is_set != nullptr && !is_set(owner)) return Json();
            Json json = schema().Write(owner);
            return json.empty() ? Json() : json;
          }};
}

// What must not be the same in two elements of a list, and the field that a problem is placed at.
template <typename Element>
struct Unique {
  std::string_view field;
  bool (*same)(const Element&, const Element&) = nullptr;
};

template <typename Owner, typename Element>
Value<Owner> Objects(std::vector<Element> Owner::*member, const Schema<Element>& (*schema)(),
                     size_t max_items, std::type_identity_t<Unique<Element>> unique = {}) {
  FieldType type = ObjectType(schema);
  type.is_list = true;
  type.max_items = max_items;
  return {type,
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            reader.Objects(key, max_items, [&](ObjectReader& nested) {
              Element element;
              schema().Read(nested, element);
              const auto is_same = [&](const Element& other) {
                return unique.same != nullptr && unique.same(element, other);
              };
              auto& list = owner.*member;
              if (std::any_of(list.begin(), list.end(), is_same)) {
                nested.Complain(unique.field, "duplicate element", "keep one of the two");
              }
              list.push_back(std::move(element));
            });
          },
          [=](const Owner& owner) {
            Json list;
            for (const Element& element : owner.*member) list.push_back(schema().Write(element));
            return list;
          }};
}

// A field of the Gateway API that is refused.
template <typename Owner>
Value<Owner> Unsupported(std::string_view hint) {
  return {{.kind = FieldKind::kUnsupported},
          [=](ObjectReader& reader, std::string_view key, Owner&) {
            if (!reader.Has(key)) return;
            reader.Complain(key, "field is not supported in this version", std::string(hint));
          },
          [](const Owner&) { return Json(); }};
}

}  // namespace tulle::policy
