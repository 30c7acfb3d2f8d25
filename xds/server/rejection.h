#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "xds/server/session.h"

namespace tulle::xds {

// What a NACK says about each resource of the response. Tulle's sidecars write a line "name: error"
// for each invalid one and accept the others. The text of another client only shows that something
// was wrong, so it applies to all resources.
std::map<std::string, std::string> ErrorsByName(std::string_view message,
                                                const std::vector<std::string>& names);

// The name of the endpoint resource that a cluster asks for; empty if it is not of type EDS.
std::string EndpointNameOf(std::string_view cluster_bytes);

}  // namespace tulle::xds
