#include "telemetry/secret_headers.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>

namespace tulle::telemetry {

bool IsSecretHeader(std::string_view name) {
  constexpr std::string_view kParts[] = {"auth",   "cookie",  "credential", "key",  "passw",
                                         "secret", "session", "signature",  "token"};
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(std::begin(kParts), std::end(kParts), [&lower](std::string_view part) {
    return lower.find(part) != std::string::npos;
  });
}

}  // namespace tulle::telemetry
