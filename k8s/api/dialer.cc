#include "k8s/api/dialer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "k8s/api/server_tls.h"

namespace tulle::k8s {

using Connector = absl::StatusOr<std::shared_ptr<const tls::SecureConnector>>;

Dialer::Dialer(loop::Loop& loop, const tls::SecureTransports& transports, Cluster cluster,
               OnProblem on_problem)
    : loop_(loop),
      transports_(transports),
      cluster_(std::move(cluster)),
      on_problem_(std::move(on_problem)) {
  const auto address = SocketAddress::Parse(cluster_.host, cluster_.port);
  is_literal_ = address.has_value();
  if (is_literal_) addresses_ = {*address};
}

std::unique_ptr<Transport> Dialer::Dial() {
  if (addresses_.empty()) {
    Resolve();
    return nullptr;
  }
  auto spec = TlsWith(cluster_, "h2");
  const auto connector =
      spec.ok() ? transports_.NewConnector(*std::move(spec)) : Connector(spec.status());
  if (!connector.ok()) {
    on_problem_(absl::StrCat("cannot connect to the API server: ", connector.status().message()));
    return nullptr;
  }
  const SocketAddress to = addresses_[next_++ % addresses_.size()];
  // The next attempts use the addresses that the name has then.
  if (!is_literal_ && next_ >= addresses_.size()) {
    addresses_.clear();
    next_ = 0;
    Resolve();
  }
  return (*connector)->Connect(loop_, to, SocketAddress());
}

void Dialer::Resolve() {
  if (resolution_ != nullptr) return;
  resolution_ = loop_.Resolve(
      cluster_.host, cluster_.port,
      [this](std::vector<SocketAddress> addresses, const std::string& error) {
        if (!error.empty()) {
          on_problem_(absl::StrCat("cannot resolve the API server ", cluster_.host, ": ", error));
        }
        addresses_ = std::move(addresses);
        next_ = 0;
        loop_.Post([done = std::move(resolution_)] {});
      });
}

}  // namespace tulle::k8s
