#include "sidecar/process/app_probes.h"

#include <utility>
#include <vector>

#include "sidecar/process/app_probe_spec.h"

namespace tulle::sidecar {
namespace {

std::shared_ptr<const upstream::ClusterSpec> ClusterOf(
    const std::string& path, const AppProbeSpec& spec,
    std::shared_ptr<const tls::SecureConnector> tls) {
  auto cluster = std::make_shared<upstream::ClusterSpec>();
  cluster->name = path;
  cluster->transport_sockets.push_back({"", {}, spec.is_tls ? std::move(tls) : nullptr});
  cluster->health_checks.push_back(spec.check);
  return cluster;
}

upstream::EndpointSpec Application(uint16_t port) {
  upstream::EndpointSpec endpoint;
  endpoint.address = SocketAddress::Loopback4(port);
  return endpoint;
}

}  // namespace

// One probe, and who waits for its result. Owner: AppProbes.
class AppProbes::Asked {
 public:
  explicit Asked(upstream::ProbeTarget target)
      : target_(std::move(target)),
        probe_(upstream::NewHealthProbe(target_, [this](bool good) { OnResult(good); })),
        timer_(target_.loop.NewTimer([this] {
          probe_->GiveUp();
          OnResult(false);
        })) {}

  void Ask(Done done) {
    if (waiting_.size() >= kMostWaiting) return done(false);
    waiting_.push_back(std::move(done));
    if (waiting_.size() > 1) return;  // under way
    timer_->Start(target_.check().timeout);
    probe_->Ask();
  }

 private:
  // More than the health port has connections: the rest have gone without waiting for the result.
  static constexpr size_t kMostWaiting = 128;

  void OnResult(bool good) {
    timer_->Stop();
    for (Done& done : std::exchange(waiting_, {})) done(good);
  }

  const upstream::ProbeTarget target_;
  std::vector<Done> waiting_;
  std::unique_ptr<upstream::HealthProbe> probe_;
  std::unique_ptr<loop::Timer> timer_;
};

AppProbes::AppProbes(loop::Loop& loop) : deadlines_(loop) {}

AppProbes::~AppProbes() = default;

absl::StatusOr<std::unique_ptr<AppProbes>> AppProbes::Make(loop::Loop& loop,
                                                           const tls::SecureTransports& transports,
                                                           std::string_view json) {
  auto specs = ParseAppProbes(json);
  if (!specs.ok()) return specs.status();
  tls::ClientTlsSpec unverified;
  unverified.min_version = tls::TlsVersion::k12;
  auto tls = transports.NewConnector(std::move(unverified));
  if (!tls.ok()) return tls.status();
  auto made = std::make_unique<AppProbes>(loop);
  for (const auto& [path, spec] : *specs) {
    made->probes_[path] = std::make_unique<Asked>(upstream::ProbeTarget{
        loop, made->deadlines_, ClusterOf(path, spec, *tls), Application(spec.port)});
  }
  return made;
}

bool AppProbes::Ask(std::string_view path, Done done) {
  const auto found = probes_.find(path);
  if (found == probes_.end()) return false;
  found->second->Ask(std::move(done));
  return true;
}

absl::Status CheckAppProbes(std::string_view json) { return ParseAppProbes(json).status(); }

}  // namespace tulle::sidecar
