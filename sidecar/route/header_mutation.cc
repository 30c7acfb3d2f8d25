#include "sidecar/route/header_mutation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tulle::route {
namespace {

constexpr std::string_view kNotChangeable[] = {
    "host", "connection", "content-length",    "keep-alive", "proxy-connection",
    "te",   "trailer",    "transfer-encoding", "upgrade",
};

bool IsTokenCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsValueCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

}  // namespace

absl::Status CheckMutation(const HeaderMutation& mutation) {
  const std::string& name = mutation.name;
  if (name.empty() || !std::all_of(name.begin(), name.end(), IsTokenCharacter)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' is not a header name that may be changed: use letters, digits and '-'"));
  }
  for (std::string_view fixed : kNotChangeable) {
    if (name == fixed) {
      return absl::InvalidArgumentError(
          absl::StrCat("the header '", name,
                       "' must not be changed: for Host use host_rewrite_literal; framing "
                       "headers belong to the proxy"));
    }
  }
  if (!std::all_of(mutation.value.begin(), mutation.value.end(), IsValueCharacter)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the value of header '", name, "' contains a control character: remove it"));
  }
  return absl::OkStatus();
}

void Apply(const HeaderMutations& mutations, http::HeaderMap& headers) {
  for (const HeaderMutation& mutation : mutations) {
    const bool exists = mutation.action != HeaderAction::kAppend &&
                        headers.Find(std::string_view(mutation.name)) != nullptr;
    switch (mutation.action) {
      case HeaderAction::kAppend:
        headers.Add(mutation.name, mutation.value);
        break;
      case HeaderAction::kAddIfAbsent:
        if (!exists) headers.Add(mutation.name, mutation.value);
        break;
      case HeaderAction::kSet:
        headers.Set(std::string_view(mutation.name), mutation.value);
        break;
      case HeaderAction::kReplaceIfExists:
        if (exists) headers.Set(std::string_view(mutation.name), mutation.value);
        break;
      case HeaderAction::kRemove:
        if (exists) headers.Remove(std::string_view(mutation.name));
        break;
    }
  }
}

}  // namespace tulle::route
