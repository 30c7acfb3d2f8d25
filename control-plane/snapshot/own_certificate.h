// The certificate of a proxy that does not make its own, such as Envoy: it reads it from files,
// since private keys never travel by xDS. Resources name it as the secret `default`, by ADS; for
// such a proxy, by a file in SDS form on its own machine. Pure; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control-plane/snapshot/snapshot.h"

namespace tulle::snapshot {

// A cluster or listener, with its certificate from `sds_file`. Other resources as they are.
std::shared_ptr<const Resource> WithCertificateFrom(
    const std::string& sds_file, std::string_view type_url,
    const std::shared_ptr<const Resource>& original);

}  // namespace tulle::snapshot
