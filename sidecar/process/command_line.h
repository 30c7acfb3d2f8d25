#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/membership/registration.h"
#include "telemetry/log.h"

namespace tulle::sidecar {

// The flags of `tulle-sidecar`. Exactly one of leave, print_recorder, config_file and control is
// set.
struct CommandLine {
  bool leave = false;          // asks the running sidecar to leave the mesh, and nothing else
  std::string print_recorder;  // a state directory: prints what its flight recorder has
  std::string config_file;
  std::string control;  // HOST:PORT
  std::string token_file;
  std::string roots_file;
  std::string state_directory;
  Workload workload;
  std::vector<std::string> mesh_ranges = {"240.240.0.0/16"};  // transparent
  int workers = 1;
  std::string dns_servers;  // ADDRESS[:PORT], separated by commas; empty: the machine's
  std::string admin = "127.0.0.1:15000";  // with --control
  // ADDRESS:PORT that serve nothing but metrics, and nothing but the state; empty: none.
  std::string metrics;
  std::string health;
  std::string app_probes;  // JSON, see AppProbes; served by `health`
  telemetry::LogLevel log_level = telemetry::LogLevel::kInfo;
  bool log_json = false;
  int drain_seconds = 30;
  int drain_quiet_ms = 1000;
  int stall_limit_seconds = 60;
  bool cause_header = false;
  int series_expiry_seconds = 3600;
  std::vector<std::string> labels;  // KEY=VALUE, as given
  // To measure what they cost.
  bool records = true;        // the flight recorder
  bool tells_insight = true;  // reports to the control plane, and answers to its questions
};

// Prints help, the version or an error, and then returns the exit code instead. Checks all flags,
// as far as that is possible without the network.
struct Parsed {
  std::optional<CommandLine> command_line;
  int exit_code = 0;
};
Parsed ParseCommandLine(int argc, char** argv);

}  // namespace tulle::sidecar
