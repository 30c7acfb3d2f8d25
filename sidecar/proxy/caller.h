#pragma once

#include <string_view>
#include <vector>

#include "net/socket/transport.h"
#include "sidecar/policy/rule.h"

namespace tulle::proxy {

// The peer of a downstream connection as authorization sees it. Made when the transport is ready;
// valid as long as the transport.
class Caller {
 public:
  explicit Caller(const Transport& transport);
  // In plaintext.
  Caller(const SocketAddress& peer, const SocketAddress& destination);
  // `head` null: the connection itself is judged.
  policy::Subject AsSubject(const http::Head* head) const;

 private:
  std::string_view uri_san_;
  std::vector<std::string_view> dns_sans_;
  policy::Subject subject_;
};

}  // namespace tulle::proxy
