// TLS with a cluster's API server: it must present a certificate of the cluster's authority that is
// valid for the host; the client's certificate is shown if there is one. Reads the files anew at
// each call; any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "k8s/api/cluster.h"
#include "net/tls/tls_spec.h"

namespace tulle::k8s {

// `protocol`: of ALPN, "h2" or "http/1.1".
absl::StatusOr<tls::ClientTlsSpec> TlsWith(const Cluster& cluster, const std::string& protocol);

}  // namespace tulle::k8s
