// Connects to a cluster's API server by TLS 1.3. The server must present a certificate of the
// cluster's authority that is valid for the host. Files are read anew for each connection.
// Owner: whoever owns the Client that it dials for. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "k8s/api/cluster.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "net/tls/secure_transports.h"

namespace tulle::k8s {

class Dialer {
 public:
  using OnProblem = std::function<void(const std::string&)>;
  // References outlive this.
  Dialer(loop::Loop& loop, const tls::SecureTransports& transports, Cluster cluster,
         OnProblem on_problem);

  // Null: the host's address is not known yet, or a file is unreadable (reported). Try again.
  std::unique_ptr<Transport> Dial();

 private:
  void Resolve();

  loop::Loop& loop_;
  const tls::SecureTransports& transports_;
  const Cluster cluster_;
  const OnProblem on_problem_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
  bool is_literal_ = false;
  std::unique_ptr<loop::Loop::Resolution> resolution_;
};

}  // namespace tulle::k8s
