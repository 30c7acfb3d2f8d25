#include "sidecar/process/mesh_configuration.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/tls/tls_transports.h"
#include "sidecar/identity/identity.h"
#include "sidecar/policy/rule.h"

namespace tulle::sidecar {
namespace {

// Whether this machine has an IPv6 loopback address to listen on.
bool HasIpv6(loop::Loop& loop) {
  class Refusing final : public loop::ListenerEvents {
    void OnAccept(std::unique_ptr<loop::Socket>) override {}
  } events;
  int error = 0;
  return loop.Listen(*SocketAddress::Parse("::1", 0), {}, events, &error) != nullptr;
}

}  // namespace

MeshConfiguration::MeshConfiguration(loop::Loop& loop, const CommandLine& command_line,
                                     Sidecar& sidecar, telemetry::Log& log, ProcessMetrics& metrics)
    : loop_(loop), command_line_(command_line), sidecar_(sidecar), log_(log), metrics_(metrics) {}

MeshConfiguration::~MeshConfiguration() = default;

absl::Status MeshConfiguration::Prepare() {
  auto control = ParseControl(command_line_.control);
  if (!control.ok()) return control.status();
  control_ = *std::move(control);
  if (absl::Status read = ReadMeshRanges(); !read.ok()) return read;
  auto held = identity::StateDirectory::Hold(command_line_.state_directory);
  if (!held.ok()) return held.status();
  state_directory_ = *std::move(held);
  const identity::IdentityFile file(command_line_.state_directory);
  if (command_line_.token_file.empty() && absl::IsNotFound(file.Load().status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("--token-file is required: ", command_line_.state_directory,
                     " has no certificate yet (create a token with `tullectl token create`)"));
  }
  return absl::OkStatus();
}

absl::Status MeshConfiguration::ReadMeshRanges() {
  for (const std::string& text : command_line_.mesh_ranges) {
    const std::optional<policy::Cidr> range = policy::ParseCidr(text);
    if (!range) {
      return absl::InvalidArgumentError(
          absl::StrCat("--mesh-range ", text, ": expected a CIDR, such as 240.240.0.0/16"));
    }
    mesh_ranges_.push_back(*range);
  }
  return absl::OkStatus();
}

absl::Status MeshConfiguration::Start(dns::Resolver& resolver) {
  Workload workload = command_line_.workload;
  workload.has_ipv6 = HasIpv6(loop_);
  auto membership =
      Membership::Make(loop_, sidecar_, tls::TlsTransports(), keys_,
                       {control_.addresses, command_line_.token_file, command_line_.state_directory,
                        std::move(workload), mesh_ranges_, command_line_.roots_file,
                        [this] { return metrics_.Collect(TrafficFamilies()); }},
                       log_, metrics_.main());
  if (!membership.ok()) return membership.status();
  membership_ = *std::move(membership);
  if (control_.addresses.empty()) {
    control_name_ = std::make_unique<ControlName>(
        loop_, resolver, control_, log_,
        [this](std::vector<SocketAddress> found) { membership_->SetControl(std::move(found)); });
  }
  return absl::OkStatus();
}

}  // namespace tulle::sidecar
