// The REST API over HTTPS, one connection a call. Call NewHttpsClient with a destination that has
// been resolved (destination.h). The server must prove to be tulle-control by the CA given: there
// is no way to skip that.
#pragma once

#include <memory>
#include <string>

#include "control-plane/cli/api_client.h"
#include "control-plane/cli/destination.h"

namespace tulle::cli {

std::unique_ptr<ApiClient> NewHttpsClient(const Destination& destination);

// "/v1/proxies/a b" and {{"x", "1"}} -> "/v1/proxies/a%20b?x=1".
std::string EncodeTarget(const ApiCall& call);

}  // namespace tulle::cli
