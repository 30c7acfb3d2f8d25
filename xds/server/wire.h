#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::xds {

// Fields that DiscoveryResponse and DeltaDiscoveryResponse have in common.
constexpr uint32_t kResources = 2;
constexpr uint32_t kTypeUrl = 4;
constexpr uint32_t kNonce = 5;

// Protocol buffer fields by hand, so that the bytes of resources are copied once into a response
// and never parsed. Source: the protobuf encoding.
void AppendField(std::string& out, uint32_t number, std::string_view bytes);
// Field `number` holding google.protobuf.Any{type_url, value}.
void AppendAny(std::string& out, uint32_t number, std::string_view type_url,
               std::string_view value);
// Field `number` holding envoy.service.discovery.v3.Resource{version, resource, name}.
void AppendResource(std::string& out, uint32_t number, std::string_view name,
                    std::string_view version, std::string_view type_url, std::string_view value);

}  // namespace tulle::xds
