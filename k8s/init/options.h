// The options of tulle-init that say what is redirected. The injection passes them to its init
// container, the CNI plugin makes them of the same annotations, so that both mean the same.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/init/redirection.h"
#include "k8s/init/tables.h"

namespace tulle::init {

struct Options {
  Redirection redirection;
  std::string variant = "auto";
  bool without_ipv6 = false;
};

// `options` must outlive `app`.
void AddOptions(CLI::App& app, Options& options);
// Of options that belong together, once they are parsed.
absl::Status CheckOptions(const Options& options);
// The options alone, such as {"--exclude-inbound-ports=22"}.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace tulle::init
