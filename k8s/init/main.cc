// Sets, checks and removes the redirection of a pod's or a host's connections to its sidecar.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_join.h"
#include "k8s/init/names.h"
#include "k8s/init/network.h"
#include "k8s/init/redirection.h"
#include "k8s/init/tables.h"
#include "k8s/init/verification.h"
#include "net/usage/program.h"
#include "net/usage/usage_error.h"

namespace tulle::init {
namespace {

constexpr char kExamples[] = R"(Examples:
  # Before the sidecar starts: set the rules, check them with real connections
  tulle-init
  # On a dedicated host: do not redirect ssh and the database
  tulle-init --exclude-inbound-ports 22 --exclude-outbound-ports 5432
  # Check the redirection (also while the sidecar runs), then remove it
  tulle-init --check
  tulle-init --remove

Exit codes: 0 success, 1 a step failed or a connection was not redirected,
2 invalid usage.)";

constexpr int kInvalidUsage = 2;  // 1 says that redirection does not work

struct CommandLine {
  Redirection redirection;
  std::string variant = "auto";
  bool without_ipv6 = false;
  bool check = false;
  bool remove = false;
  bool print = false;
  bool without_check = false;
};

void Complain(const absl::Status& status) {
  std::fprintf(stderr, "tulle-init: %s\n", std::string(status.message()).c_str());
}

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

void AddOptions(CLI::App& app, CommandLine& line) {
  Redirection& to = line.redirection;
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  app.add_flag("--check", line.check, "only check that redirection works");
  app.add_flag("--remove", line.remove, "remove the rules, the route and the address");
  app.add_flag("--print", line.print, "only print the rules, for iptables-restore --noflush");
  app.add_flag("--no-check", line.without_check, "set the rules without checking them");
  add("--outbound-port", to.outbound_port, "the sidecar's outbound port", "PORT")
      ->check(usage::Port());
  add("--inbound-port", to.inbound_port, "the sidecar's inbound port", "PORT")
      ->check(usage::Port());
  add("--proxy-uid", to.uids, "user IDs that are not redirected; the first is the sidecar's",
      "UID,...")
      ->delimiter(',')
      ->check(usage::Number("user ID", 0, UINT32_MAX));
  add("--proxy-gid", to.gids, "group IDs that are not redirected", "GID,...")
      ->delimiter(',')
      ->check(usage::Number("group ID", 0, UINT32_MAX));
  AddPortOptions(app, to);
  add("--include-outbound-ranges", to.include_outbound_ranges,
      "redirect only calls to these and to services [all]", "CIDR,...")
      ->delimiter(',')
      ->check(CheckRange);
  add("--exclude-outbound-ranges", to.exclude_outbound_ranges, "do not redirect calls to these",
      "CIDR,...")
      ->delimiter(',')
      ->check(CheckRange);
  add("--vip-range", to.vip_range, "virtual addresses of services", "CIDR")->check(CheckRange);
  add("--iptables", line.variant, "auto, nft or legacy; auto: the variant in use", "VARIANT")
      ->check(usage::OneOf({"auto", "nft", "legacy"}));
  app.add_flag("--no-ipv6", line.without_ipv6, "do not redirect IPv6: it bypasses the sidecar");
}

absl::StatusOr<std::vector<Tables>> TablesFor(const CommandLine& line) {
  Variant variant = line.variant == "legacy" ? Variant::kLegacy : Variant::kNft;
  if (line.variant == "auto") {
    const auto found = FindVariant();
    if (!found.ok()) return found.status();
    variant = *found;
  }
  std::vector<Tables> tables = {Tables(variant, Family::kV4)};
  if (!line.without_ipv6 && HasIpv6()) tables.emplace_back(variant, Family::kV6);
  return tables;
}

absl::Status SetOne(const CommandLine& line, const Tables& tables) {
  const auto saved = tables.Save();
  if (!saved.ok()) return saved.status();
  const absl::Status status = tables.Restore(RulesFor(line.redirection, tables.family(), *saved));
  if (!status.ok()) return status;
  std::printf("rules set by %s\n", tables.name().c_str());
  if (tables.family() == Family::kV6) return AddOwnSource6();
  if (line.redirection.vip_range.empty()) return absl::OkStatus();
  const auto added = AddRouteToLoopback(line.redirection.vip_range);
  if (added.ok() && *added) {
    std::printf("added route %s dev lo\n", line.redirection.vip_range.c_str());
  }
  return added.status();
}

// Rules for one family alone would let the other bypass the sidecar, so none are left behind.
absl::Status RemoveAll(const CommandLine& line) {
  absl::Status status;
  for (const Variant variant : VariantsInUse()) {
    for (const Family family : {Family::kV4, Family::kV6}) {
      const Tables tables(variant, family);
      const auto saved = tables.Save();
      if (!saved.ok()) {
        // Without permission to change rules, there are none of ours.
        if (saved.status().code() != absl::StatusCode::kNotFound && family == Family::kV4 &&
            status.ok()) {
          status = saved.status();
        }
        continue;
      }
      const std::string removal = RemovalOf(*saved);
      if (removal.empty()) continue;
      const absl::Status removed = tables.Restore(removal);
      if (removed.ok()) std::printf("removed rules from %s\n", tables.name().c_str());
      if (status.ok()) status = removed;
    }
  }
  if (!line.redirection.vip_range.empty()) {
    const absl::Status route = RemoveRouteToLoopback(line.redirection.vip_range);
    if (status.ok()) status = route;
  }
  if (HasIpv6()) {
    const absl::Status address = RemoveOwnSource6();
    if (status.ok()) status = address;
  }
  return status;
}

void Print(const Check& check) {
  const bool bad = check.outcome == Check::Outcome::kFailed;
  const char* word = bad                                         ? "FAILED "
                     : check.outcome == Check::Outcome::kSkipped ? "skipped"
                                                                 : "ok     ";
  std::fprintf(bad ? stderr : stdout, "%s %s%s%s\n", word, check.what.c_str(),
               check.detail.empty() ? "" : ": ", check.detail.c_str());
}

std::string ReadText(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Exit code.
int CheckAll(const CommandLine& line, const std::vector<Tables>& all) {
  bool failed = false;
  for (const Tables& tables : all) {
    for (const Check& check : Verify(line.redirection, tables)) {
      failed |= check.outcome == Check::Outcome::kFailed;
      Print(check);
    }
  }
  if (line.check && !line.redirection.vip_range.empty()) {
    Print(CheckNames(ReadText("/etc/resolv.conf"), ReadText("/etc/hosts"),
                     line.redirection.vip_range));
  }
  std::fflush(stdout);
  if (!failed) return 0;
  std::fprintf(stderr,
               "tulle-init: connections of this workload bypass the sidecar, without encryption "
               "and without policies. Do not start it until this is fixed.\n");
  return 1;
}

int SetAll(const CommandLine& line, const std::vector<Tables>& all) {
  for (const Tables& tables : all) {
    const absl::Status status = SetOne(line, tables);
    if (status.ok()) continue;
    Complain(status);
    if (tables.family() == Family::kV6) {
      std::fprintf(stderr,
                   "tulle-init: IPv6 works here but cannot be redirected. If nothing uses it, set "
                   "--no-ipv6. All rules were removed.\n");
    }
    const absl::Status removed = RemoveAll(line);
    if (!removed.ok()) Complain(removed);
    return 1;
  }
  return line.without_check ? 0 : CheckAll(line, all);
}

int Run(const CommandLine& line) {
  if (line.print) {
    std::fputs(RulesFor(line.redirection, Family::kV4, "").c_str(), stdout);
    if (!line.without_ipv6) {
      std::printf("# IPv6\n%s", RulesFor(line.redirection, Family::kV6, "").c_str());
    }
    return 0;
  }
  if (line.remove) {
    const absl::Status status = RemoveAll(line);
    if (status.ok()) std::puts("all rules of tulle-init are removed");
    if (!status.ok()) Complain(status);
    return status.ok() ? 0 : 1;
  }
  if (!line.check) {
    const absl::Status up = BringLoopbackUp();
    if (!up.ok()) return Complain(up), 1;
  }
  const auto tables = TablesFor(line);
  if (!tables.ok()) return Complain(tables.status()), 1;
  return line.check ? CheckAll(line, *tables) : SetAll(line, *tables);
}

}  // namespace

int Main(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Redirects a workload's connections to its sidecar");
  usage::Describe(app, "tulle-init");
  app.footer(kExamples);
  AddOptions(app, line);
  app.get_option("--check")->excludes(app.get_option("--remove"));
  app.get_option("--print")->excludes(app.get_option("--check"));
  app.get_option("--print")->excludes(app.get_option("--remove"));
  const auto check = [&line] {
    return line.redirection.outbound_port == line.redirection.inbound_port
               ? absl::InvalidArgumentError("--outbound-port and --inbound-port must differ")
               : absl::OkStatus();
  };
  if (const auto code = usage::Parse(app, argc, argv, kInvalidUsage, check)) return *code;
  return Run(line);
}

}  // namespace tulle::init

int main(int argc, char** argv) { return tulle::init::Main(argc, argv); }
