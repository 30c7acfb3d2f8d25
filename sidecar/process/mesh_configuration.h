#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "certs/private_key.h"
#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/identity/state_directory.h"
#include "sidecar/insight/failed_requests.h"
#include "sidecar/insight/questions.h"
#include "sidecar/membership/membership.h"
#include "sidecar/policy/rule_spec.h"
#include "sidecar/process/command_line.h"
#include "sidecar/process/control_name.h"
#include "sidecar/process/process_metrics.h"
#include "sidecar/recorder/flight_recorder.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// Configuration by --control: the membership in the mesh of a tulle-control, and what it needs of
// the machine. Owner: Process. Thread: main. Order: Prepare, then Start. Errors name the flag and
// what would be right.
class MeshConfiguration final {
 public:
  // References outlive this.
  MeshConfiguration(loop::Loop& loop, const CommandLine& command_line, Sidecar& sidecar,
                    telemetry::Log& log, ProcessMetrics& metrics,
                    recorder::FlightRecorder& recorder);
  ~MeshConfiguration();

  // Checks the flags, locks the state directory, and makes sure that there is a credential.
  absl::Status Prepare();
  absl::Status Start(dns::Resolver& resolver);
  bool has_membership() const { return membership_ != nullptr; }
  // REQUIRES: Start() succeeded.
  Membership& membership() { return *membership_; }

 private:
  absl::Status ReadMeshRanges();
  void MoveRecorder();
  InsightStream::Parts PrepareInsight();

  loop::Loop& loop_;
  const CommandLine& command_line_;
  Sidecar& sidecar_;
  telemetry::Log& log_;
  ProcessMetrics& metrics_;
  recorder::FlightRecorder& recorder_;
  certs::SystemKeySource keys_;
  ControlTarget control_;
  std::vector<policy::Cidr> mesh_ranges_;
  std::optional<identity::StateDirectory> state_directory_;
  std::unique_ptr<FailedRequests> failed_;
  Questions questions_;
  std::unique_ptr<ControlName> control_name_;  // null: --control is an address
  std::unique_ptr<Membership> membership_;
};

}  // namespace tulle::sidecar
