#include "net/tls/sim_transports.h"

#include <utility>

#include "absl/status/status.h"
#include "net/socket/plain_transport.h"
#include "net/tls/sim_transport.h"

namespace tulle::tls {
namespace {

class SimAcceptor final : public SecureAcceptor {
 public:
  explicit SimAcceptor(std::shared_ptr<const SimProfile> profile)
      : SecureAcceptor(profile->requirements), profile_(std::move(profile)) {}

  std::unique_ptr<Transport> Accept(loop::Loop& loop, std::unique_ptr<loop::Socket> socket,
                                    Buffer already_read) const override {
    return std::make_unique<SimTransport>(loop, NewAcceptedTransport(loop, std::move(socket)),
                                          already_read, profile_);
  }

 private:
  std::shared_ptr<const SimProfile> profile_;
};

class SimConnector final : public SecureConnector {
 public:
  explicit SimConnector(std::shared_ptr<const SimProfile> profile)
      : SecureConnector(profile->requirements), profile_(std::move(profile)) {}

  std::unique_ptr<Transport> Connect(loop::Loop& loop, const SocketAddress& to,
                                     const SocketAddress& source) const override {
    return std::make_unique<SimTransport>(loop, NewConnectingTransport(loop, to, source),
                                          Buffer(loop.slab()), profile_);
  }

 private:
  std::shared_ptr<const SimProfile> profile_;
};

// Must refuse like the real one.
absl::Status TakeIdentity(const TlsIdentity* identity, SimProfile* profile) {
  if (identity == nullptr) return absl::OkStatus();
  if (identity->chain.empty() || !certs::Matches(identity->chain.front(), identity->key.native())) {
    return absl::InvalidArgumentError(
        "the private key does not match the certificate; use the key that the certificate was "
        "issued "
        "for");
  }
  for (const certs::Certificate& certificate : identity->chain) {
    profile->chain.push_back(certificate.der());
  }
  return absl::OkStatus();
}

class Sim final : public SecureTransports {
 public:
  absl::StatusOr<std::shared_ptr<const SecureAcceptor>> NewAcceptor(
      ServerTlsSpec spec) const override {
    if (spec.identity == nullptr) {
      return absl::InvalidArgumentError(
          "a TLS server requires a certificate and key; set them in the listener");
    }
    auto profile = std::make_shared<SimProfile>();
    if (auto taken = TakeIdentity(spec.identity.get(), profile.get()); !taken.ok()) return taken;
    profile->requirements = RequirementsOf(spec);
    profile->alpn = std::move(spec.alpn);
    profile->handshake_timeout = spec.handshake_timeout;
    return std::make_shared<const SimAcceptor>(std::move(profile));
  }
  absl::StatusOr<std::shared_ptr<const SecureConnector>> NewConnector(
      ClientTlsSpec spec) const override {
    auto profile = std::make_shared<SimProfile>();
    if (auto taken = TakeIdentity(spec.identity.get(), profile.get()); !taken.ok()) return taken;
    profile->requirements = RequirementsOf(spec);
    profile->sni = std::move(spec.sni);
    profile->alpn = std::move(spec.alpn);
    profile->handshake_timeout = spec.handshake_timeout;
    return std::make_shared<const SimConnector>(std::move(profile));
  }
};

const Sim kSim;

}  // namespace

const SecureTransports& SimTransports() { return kSim; }

}  // namespace tulle::tls
