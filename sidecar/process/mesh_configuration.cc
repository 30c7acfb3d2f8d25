#include "sidecar/process/mesh_configuration.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/tls/tls_transports.h"
#include "sidecar/identity/identity.h"
#include "sidecar/insight/config_answers.h"
#include "sidecar/insight/find_requests.h"
#include "sidecar/insight/log_level_answers.h"
#include "sidecar/insight/request_taps.h"
#include "sidecar/insight/what_if_answers.h"
#include "sidecar/policy/rule.h"
#include "sidecar/process/status_pages.h"
#include "telemetry/families.h"

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
                                     Sidecar& sidecar, telemetry::Log& log, ProcessMetrics& metrics,
                                     recorder::FlightRecorder& recorder)
    : loop_(loop),
      command_line_(command_line),
      sidecar_(sidecar),
      log_(log),
      metrics_(metrics),
      recorder_(recorder) {}

MeshConfiguration::~MeshConfiguration() = default;

absl::Status MeshConfiguration::Prepare() {
  auto control = ParseControl(command_line_.control);
  if (!control.ok()) return control.status();
  control_ = *std::move(control);
  if (absl::Status read = ReadMeshRanges(); !read.ok()) return read;
  auto held = identity::StateDirectory::Hold(command_line_.state_directory);
  if (!held.ok()) return held.status();
  state_directory_ = *std::move(held);
  if (command_line_.records) MoveRecorder();
  const identity::IdentityFile file(command_line_.state_directory);
  if (command_line_.token_file.empty() && absl::IsNotFound(file.Load().status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("--token-file is required: ", command_line_.state_directory,
                     " has no certificate yet (create a token with `tullectl token create`)"));
  }
  return absl::OkStatus();
}

// Without files it records all the same, only not beyond a crash.
void MeshConfiguration::MoveRecorder() {
  const absl::Status moved = recorder_.MoveToDirectory(command_line_.state_directory);
  if (moved.ok()) return;
  log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kMain,
             absl::StrCat("the flight recorder stays in memory, and is lost with the process: ",
                          moved.message()));
}

InsightStream::Parts MeshConfiguration::PrepareInsight() {
  if (!command_line_.tells_insight) return {};
  using Kind = insight::v1::Question;
  const OwnIdentity own = [this] {
    return has_membership() && membership_->identity() != nullptr
               ? membership_->identity()->spiffe_id
               : std::string();
  };
  failed_ = std::make_unique<FailedRequests>(recorder_, own);
  questions_.Add(Kind::kFind, std::make_unique<FindRequests>(recorder_, own));
  questions_.Add(Kind::kTap, std::make_unique<RequestTaps>(loop_, recorder_, own));
  questions_.Add(Kind::kConfig, std::make_unique<ConfigAnswers>([this](std::string_view kind) {
                   return ConfigPage(sidecar_, kind);
                 }));
  questions_.Add(Kind::kWhatIf, std::make_unique<WhatIfAnswers>(sidecar_));
  questions_.Add(Kind::kLogLevel, std::make_unique<LogLevelAnswers>(loop_, log_));
  return {[this] { return metrics_.Collect(TrafficFamilies()); }, failed_.get(), &questions_,
          &metrics_.main().CounterRow(telemetry::kInsightDropped)};
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
  auto membership = Membership::Make(
      loop_, sidecar_, tls::TlsTransports(), keys_,
      {control_.addresses, command_line_.token_file, command_line_.state_directory,
       std::move(workload), mesh_ranges_, command_line_.roots_file, PrepareInsight()},
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
