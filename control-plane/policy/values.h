// The values that the rows of a Schema (schema.h) are made of: each ties a type and its bounds to a
// member of the model. A member may be an optional: then an absent field stays unset; otherwise it
// keeps the member's initial value. Functions are pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "control-plane/policy/names.h"
#include "control-plane/policy/schema.h"
#include "control-plane/policy/text_format.h"

namespace tulle::policy {

inline constexpr std::chrono::milliseconds kNotZero{1};

template <typename T>
struct Unwrapped {
  using Type = T;
};
template <typename T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
};
template <typename T>
using UnwrappedType = typename Unwrapped<T>::Type;

template <typename T>
const T* ValueIn(const std::optional<T>& member) {
  return member ? &*member : nullptr;
}
template <typename T>
const T* ValueIn(const T& member) {
  return &member;
}
template <typename T>
T& FreshIn(std::optional<T>& member) {
  return member.emplace();
}
template <typename T>
T& FreshIn(T& member) {
  return member;
}

template <typename Owner, typename Member>
Value<Owner> Duration(Member Owner::*member, std::chrono::milliseconds min = {}) {
  return {{.kind = FieldKind::kDuration, .min_duration = min},
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            if (const auto value = reader.Duration(key, min)) owner.*member = *value;
          },
          [=](const Owner& owner) {
            const auto* value = ValueIn(owner.*member);
            return value == nullptr ? Json() : Json(FormatDuration(*value));
          }};
}

template <typename Owner, typename Member>
Value<Owner> Integer(Member Owner::*member, uint32_t min, uint32_t max) {
  return {{.kind = FieldKind::kInteger, .min = min, .max = max},
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            if (const auto value = reader.Integer(key, min, max)) owner.*member = *value;
          },
          [=](const Owner& owner) {
            const auto* value = ValueIn(owner.*member);
            return value == nullptr ? Json() : Json(*value);
          }};
}

template <typename Owner>
Value<Owner> Integers(std::vector<uint32_t> Owner::*member, uint32_t min, uint32_t max,
                      size_t max_items) {
  return {
      {.kind = FieldKind::kInteger,
       .is_list = true,
       .max_items = max_items,
       .min = min,
       .max = max},
      [=](ObjectReader& reader, std::string_view key, Owner& owner) {
        owner.*member = reader.Integers(key, min, max, max_items);
      },
      [=](const Owner& owner) { return (owner.*member).empty() ? Json() : Json(owner.*member); }};
}

enum class EmptyText {
  kUnset,  // the same as no text
  kKept
};

// An empty text in a plain member (no optional) counts as absent and is not checked.
template <typename Owner, typename Member>
Value<Owner> Text(Member Owner::*member, const TextFormat& format = kAnyText,
                  EmptyText empty = EmptyText::kUnset) {
  constexpr bool kIsPlain = std::is_same_v<Member, std::string>;
  return {{.kind = FieldKind::kText, .format = format.name},
          [=](ObjectReader& reader, std::string_view key, Owner& owner) {
            const std::optional<std::string> text = reader.Text(key);
            if (!text) return;
            owner.*member = *text;
            if (kIsPlain && text->empty()) return;
            if (std::optional<Fault> fault = format.Check(*text)) reader.Complain(key, *fault);
          },
          [=](const Owner& owner) {
            const std::string* text = ValueIn(owner.*member);
            const bool is_unset =
                text == nullptr || (kIsPlain && text->empty() && empty == EmptyText::kUnset);
            return is_unset ? Json() : Json(*text);
          }};
}

template <typename Owner>
Value<Owner> Texts(std::vector<std::string> Owner::*member, size_t max_items,
                   const TextFormat& format) {
  return {
      {.kind = FieldKind::kText, .is_list = true, .max_items = max_items, .format = format.name},
      [=](ObjectReader& reader, std::string_view key, Owner& owner) {
        owner.*member = reader.Texts(key, max_items,
                                     [&](const std::string& text) { return format.Check(text); });
      },
      [=](const Owner& owner) { return (owner.*member).empty() ? Json() : Json(owner.*member); }};
}

// A list of texts, each one of `words`.
template <typename Owner>
Value<Owner> Words(std::vector<std::string> Owner::*member, size_t max_items,
                   std::vector<std::string_view> words) {
  return {
      {.kind = FieldKind::kText, .is_list = true, .max_items = max_items, .choices = words},
      [=](ObjectReader& reader, std::string_view key, Owner& owner) {
        owner.*member =
            reader.Texts(key, max_items, [&](const std::string& text) -> std::optional<Fault> {
              for (const std::string_view word : words) {
                if (word == text) return std::nullopt;
              }
              return UnknownValue(text, words);
            });
      },
      [=](const Owner& owner) { return (owner.*member).empty() ? Json() : Json(owner.*member); }};
}

}  // namespace tulle::policy
