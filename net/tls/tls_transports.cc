#include "net/tls/tls_transports.h"

#include <utility>

#include "net/tls/tls_profile.h"
#include "net/tls/tls_transport.h"

namespace tulle::tls {
namespace {

class TlsAcceptor final : public SecureAcceptor {
 public:
  explicit TlsAcceptor(std::shared_ptr<const TlsProfile> profile)
      : SecureAcceptor(profile->requirements()), profile_(std::move(profile)) {}

  std::unique_ptr<Transport> Accept(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                                    Buffer already_read) const override {
    return std::make_unique<TlsTransport>(loop, std::move(socket), std::move(already_read),
                                          profile_);
  }

 private:
  std::shared_ptr<const TlsProfile> profile_;
};

class TlsConnector final : public SecureConnector {
 public:
  explicit TlsConnector(std::shared_ptr<const TlsProfile> profile)
      : SecureConnector(profile->requirements()), profile_(std::move(profile)) {}

  std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                     const SocketAddress& source) const override {
    return std::make_unique<TlsTransport>(loop, to, source, profile_);
  }

 private:
  std::shared_ptr<const TlsProfile> profile_;
};

class Tls final : public SecureTransports {
 public:
  absl::StatusOr<std::shared_ptr<const SecureAcceptor>> NewAcceptor(
      ServerTlsSpec spec) const override {
    auto profile = TlsProfile::ForServer(spec);
    if (!profile.ok()) return profile.status();
    return std::make_shared<const TlsAcceptor>(*std::move(profile));
  }
  absl::StatusOr<std::shared_ptr<const SecureConnector>> NewConnector(
      ClientTlsSpec spec) const override {
    auto profile = TlsProfile::ForClient(spec);
    if (!profile.ok()) return profile.status();
    return std::make_shared<const TlsConnector>(*std::move(profile));
  }
};

const Tls kTls;

}  // namespace

const SecureTransports& TlsTransports() { return kTls; }

}  // namespace tulle::tls
