#include "control-plane/cli/api_client.h"

#include <string_view>
#include <utility>

namespace tulle::cli {
namespace {

void AppendEncoded(std::string_view text, bool keeps_slash, std::string* encoded) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                          (keeps_slash && c == '/');
    if (is_plain) {
      *encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      *encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
}

}  // namespace

std::string ItemPath(std::string_view collection, std::string_view name) {
  const bool is_step = name == "." || name == "..";
  std::string path = std::string(collection) + "/";
  for (const char c : name) {
    if (c == '/') {
      path += "%2F";
    } else if (is_step) {
      path += "%2E";
    } else {
      path += c;
    }
  }
  return path;
}

std::string EncodeSegment(std::string_view text) {
  std::string encoded;
  AppendEncoded(text, false, &encoded);
  return encoded;
}

bool HasSteps(std::string_view path) {
  for (size_t begin = 0; begin <= path.size();) {
    const std::string_view segment = path.substr(begin, path.find('/', begin) - begin);
    if (segment == "." || segment == "..") return true;
    begin += segment.size() + 1;
  }
  return false;
}

std::string EncodeTarget(const ApiCall& call) {
  std::string target;
  AppendEncoded(call.path, true, &target);
  char mark = '?';
  for (const auto& [name, value] : call.query) {
    target += std::exchange(mark, '&');
    AppendEncoded(name, false, &target);
    target += '=';
    AppendEncoded(value, false, &target);
  }
  return target;
}

}  // namespace tulle::cli
