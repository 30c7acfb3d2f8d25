// What a text in a policy may look like: one object per format, used by the tables of fields.
// Constants; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control-plane/policy/object_reader.h"

namespace tulle::policy {

struct TextFormat {
  std::string_view name;       // "host name"; empty: any text
  std::string_view hint = "";  // what such a text looks like
  bool (*is_valid)(std::string_view) = nullptr;
  // Refuses what is_valid would take or would not explain well enough.
  std::optional<Fault> (*refuse)(const std::string&) = nullptr;

  std::optional<Fault> Check(const std::string& text) const;
};

extern const TextFormat kAnyText;
extern const TextFormat kDnsName;
extern const TextFormat kDnsLabel;
extern const TextFormat kServiceName;
extern const TextFormat kNamespaceName;
extern const TextFormat kHostName;
extern const TextFormat kRouteHostName;     // may begin with "*."
extern const TextFormat kExternalHostName;  // no name of the mesh
extern const TextFormat kIpAddressText;
extern const TextFormat kCollector;
extern const TextFormat kMethod;
extern const TextFormat kRpcService;  // full name of a gRPC service
extern const TextFormat kRpcMethod;
extern const TextFormat kHeaderName;
extern const TextFormat kChangeableHeader;  // not one that the proxy sets itself
extern const TextFormat kHashedHeader;      // also :authority, :method and :path
extern const TextFormat kHeaderText;        // value of a header
extern const TextFormat kReplacementPath;
extern const TextFormat kCookieName;
extern const TextFormat kCookiePath;
extern const TextFormat kLocality;
extern const TextFormat kPrincipal;
extern const TextFormat kPathPattern;

// What is wrong with a regular expression (RE2), if anything is.
std::optional<Fault> CheckRegex(const std::string& text);

}  // namespace tulle::policy
