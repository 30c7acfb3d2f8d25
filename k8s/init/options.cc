#include "k8s/init/options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/usage/usage_error.h"

namespace tulle::init {
namespace {

std::string CheckRange(const std::string& text) {
  return IsRange(text) ? "" : "\"" + text + "\" is not a valid range: use ADDRESS or ADDRESS/BITS";
}

void AddPortOptions(CLI::App& app, Redirection& to) {
  const auto ports = [&](const char* name, std::vector<uint16_t>& into, const std::string& help) {
    app.add_option(name, into, help)->delimiter(',')->type_name("PORT,...")->check(usage::Port());
  };
  ports("--include-inbound-ports", to.include_inbound_ports, "redirect only these ports [all]");
  ports("--exclude-inbound-ports", to.exclude_inbound_ports,
        "do not redirect these ports, in addition to the mesh's own: " +
            absl::StrJoin(kMeshPorts, ", "));
  ports("--exclude-outbound-ports", to.exclude_outbound_ports,
        "do not redirect calls to these ports");
}

void AddOwnerOptions(CLI::App& app, Redirection& to) {
  const auto ids = [&](const char* name, std::vector<uint32_t>& into, const char* help,
                       const char* what) {
    return app.add_option(name, into, help)
        ->delimiter(',')
        ->check(usage::Number(what, 0, UINT32_MAX));
  };
  ids("--proxy-uid", to.uids, "user IDs that are not redirected; the first is the sidecar's",
      "user ID")
      ->type_name("UID,...");
  ids("--proxy-gid", to.gids, "group IDs that are not redirected", "group ID")
      ->type_name("GID,...");
}

void AddRangeOptions(CLI::App& app, Redirection& to) {
  const auto ranges = [&](const char* name, std::vector<std::string>& into, const char* help) {
    app.add_option(name, into, help)->delimiter(',')->type_name("CIDR,...")->check(CheckRange);
  };
  ranges("--include-outbound-ranges", to.include_outbound_ranges,
         "redirect only calls to these and to services [all]");
  ranges("--exclude-outbound-ranges", to.exclude_outbound_ranges, "do not redirect calls to these");
  app.add_option("--vip-range", to.vip_range, "virtual addresses of services")
      ->type_name("CIDR")
      ->check(CheckRange);
}

}  // namespace

void AddOptions(CLI::App& app, Options& options) {
  Redirection& to = options.redirection;
  const auto port = [&app](const char* name, uint16_t& value, const char* help) {
    app.add_option(name, value, help)->type_name("PORT")->check(usage::Port());
  };
  port("--outbound-port", to.outbound_port, "the sidecar's outbound port");
  port("--inbound-port", to.inbound_port, "the sidecar's inbound port");
  AddOwnerOptions(app, to);
  AddPortOptions(app, to);
  AddRangeOptions(app, to);
  app.add_option("--iptables", options.variant, "auto, nft or legacy; auto: the variant in use")
      ->type_name("VARIANT")
      ->check(usage::OneOf({"auto", "nft", "legacy"}));
  app.add_flag("--no-ipv6", options.without_ipv6, "do not redirect IPv6: it bypasses the sidecar");
}

absl::Status CheckOptions(const Options& options) {
  return options.redirection.outbound_port == options.redirection.inbound_port
             ? absl::InvalidArgumentError("--outbound-port and --inbound-port must differ")
             : absl::OkStatus();
}

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  CLI::App app;
  AddOptions(app, options);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  const absl::Status checked = CheckOptions(options);
  if (!checked.ok()) return checked;
  return options;
}

}  // namespace tulle::init
