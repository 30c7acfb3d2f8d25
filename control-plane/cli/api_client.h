// The REST API as the commands use it: one call, one reply. Implemented over HTTPS
// (https_client.h), faked in tests.
//
// Owner: the session of one command. Thread: the only one.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::cli {

struct ApiCall {
  std::string method = "GET";
  std::string path = {};                          // not encoded yet, without the query
  std::map<std::string, std::string> query = {};  // not encoded yet
  std::string body = {};
  std::string content_type = "application/json";
};

// "/v1/proxies", and the name of one, which a stranger may have chosen: it is one segment, whatever
// is in it, and never . or ..
std::string ItemPath(std::string_view collection, std::string_view name);

// What is one segment of a path, encoded: nothing in it ends the segment.
std::string EncodeSegment(std::string_view text);
// Whether the path has a segment . or .., which servers on the way resolve to another path.
bool HasSteps(std::string_view path);

// "/v1/proxies/a b" and {{"x", "1"}} -> "/v1/proxies/a%20b?x=1".
std::string EncodeTarget(const ApiCall& call);

struct ApiReply {
  int status = 0;
  std::string body;
};

class ApiClient {
 public:
  virtual ~ApiClient() = default;
  // A reply of any status; a UserError if there was none.
  virtual absl::StatusOr<ApiReply> Send(const ApiCall& call) = 0;
  // Sets the roots to trust from the next call on, during a root rotation.
  virtual void SetTrust(const std::string& ca_pem) = 0;
};

}  // namespace tulle::cli
