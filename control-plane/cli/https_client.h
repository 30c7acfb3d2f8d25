// The REST API over HTTPS, one connection per call. Call NewHttpsClient with a resolved destination
// (destination.h). The server certificate is always verified, against the given CA.
#pragma once

#include <memory>
#include <string>

#include "control-plane/cli/api_client.h"
#include "control-plane/cli/destination.h"
#include "net/base/failure.h"

namespace tulle::cli {

std::unique_ptr<ApiClient> NewHttpsClient(const Destination& destination);

// A UserError: why a call failed, once, and the next step. REQUIRES: a failure.
absl::Status ExplainFailure(const Failure& failure, const Destination& destination);

}  // namespace tulle::cli
