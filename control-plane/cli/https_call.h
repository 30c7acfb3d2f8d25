// One HTTPS request and its reply, on a connection of its own, blocking. For the REST API of
// tulle-control and the API server of a cluster. Thread: the only one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/cli/api_client.h"
#include "net/base/failure.h"
#include "net/tls/tls_spec.h"

namespace tulle::cli {

struct HttpsServer {
  std::string host;  // a name or an IP literal without brackets
  uint16_t port = 0;
  std::string authority;  // HOST:PORT, as requests name it
  tls::ClientTlsSpec tls;
};

struct HttpsRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpsOutcome {
  ApiReply reply = {};
  Failure failure = {};           // set: there is no reply
  std::string unknown_host = {};  // the same; why the name was not resolved
};

HttpsOutcome CallHttps(const HttpsServer& server, const HttpsRequest& request);

// Why a call failed, without the advice of the detail, which is for sidecars.
std::string ReasonOf(const Failure& failure);

}  // namespace tulle::cli
