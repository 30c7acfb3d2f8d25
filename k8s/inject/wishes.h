// What a pod's annotations ask for, and its labels tell. Anyone who may create pods writes them, so
// that values are checked here against what each may be, and reach a container only as separate
// arguments.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/inject/json.h"
#include "k8s/inject/settings.h"

namespace tulle::inject {

struct Wishes {
  std::string skip_inbound_ports;   // "8080,9090"
  std::string skip_outbound_ports;  // likewise
  std::string skip_outbound_cidrs;  // "10.0.0.0/8,192.0.2.1"
  std::string opaque_ports;         // read by the control plane, only checked here
  std::string log_level;
  std::string cause_header;  // "enabled"; else errors do not tell callers their cause
  std::string cpu;
  std::string memory;
  std::string cpu_limit;
  std::string memory_limit;
  std::vector<std::string> labels;  // KEY=VALUE: of the pod, those that its metrics name
  std::vector<std::string> warnings;
};

// `metadata` of the pod. An error names the annotation and what it may be. Unknown annotations with
// our prefix are warned of: a newer version may know them.
absl::StatusOr<Wishes> ReadWishes(const Json& metadata, const Settings& settings);

// The annotations that ReadWishes() knows, with their prefix.
std::vector<std::string> AnnotationNames();

// The arguments of tulle-init that redirect a pod with these wishes.
std::vector<std::string> RedirectionArguments(const Wishes& wishes);

}  // namespace tulle::inject
