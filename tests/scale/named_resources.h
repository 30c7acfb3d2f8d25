#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "xds/client/delta_client.h"

namespace tulle::scale {

// The resources that one resource refers to: what a sidecar asks for next.
struct NamedResources {
  std::set<std::string> clusters;
  std::set<std::string> routes;
  std::set<std::string> endpoints;
};

// Reads listeners, route configurations and clusters. Other types name nothing.
NamedResources ReadNamedResources(std::string_view type_url, std::string_view bytes);

// Remembers what was read: imitated sidecars receive the same resources over and over. Owner: a
// Crew. Thread: the crew's.
class NamedResourcesCache {
 public:
  std::shared_ptr<const NamedResources> Of(std::string_view type_url,
                                           const xds::ReceivedResource& resource);

 private:
  // By type, name and version; a version is a hash of the content.
  std::map<std::string, std::shared_ptr<const NamedResources>> known_;
};

}  // namespace tulle::scale
