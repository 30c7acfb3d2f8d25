#include "net/base/names.h"

#include <algorithm>
#include <cctype>

namespace tulle {
namespace {

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool IsDnsLabel(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  if (!IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDnsName(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const size_t dot = text.find('.');
    if (!IsDnsLabel(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool IsLocality(std::string_view text) {
  const auto is_of_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
  };
  int parts = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const std::string_view part = text.substr(begin, text.find('/', begin) - begin);
    if (part.empty() || part.size() > 63 || ++parts > 3) return false;
    if (!std::all_of(part.begin(), part.end(), is_of_part)) return false;
    begin += part.size() + 1;
  }
  return true;
}

}  // namespace tulle
