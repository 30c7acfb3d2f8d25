#include "sidecar/identity/control_dialer.h"

#include "certs/spiffe_names.h"

namespace tulle::identity {
std::unique_ptr<Transport> ControlDialer::Dial(tls::ClientTlsSpec spec) {
  if (spec.trust != nullptr) {
    auto name = certs::SanMatcher::Make(certs::SanType::kUri, certs::SanMatch::kSuffix,
                                        certs::kControlPlanePath);
    spec.san_matchers = {*std::move(name)};
  }
  spec.alpn = {"h2"};
  auto connector = transports_.NewConnector(std::move(spec));
  if (!connector.ok() || addresses_.empty()) return nullptr;
  return (*connector)->Connect(loop_, addresses_[next_++ % addresses_.size()], SocketAddress());
}

}  // namespace tulle::identity
