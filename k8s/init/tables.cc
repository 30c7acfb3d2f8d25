#include "k8s/init/tables.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "k8s/init/command.h"

namespace tulle::init {
namespace {

bool IsLoaded(const char* list) {
  std::ifstream names(list);
  std::string name;
  return static_cast<bool>(names >> name);
}

// Running iptables-legacy would load its module into a kernel that does not use it.
bool LegacyIsLoaded() {
  return IsLoaded("/proc/net/ip_tables_names") || IsLoaded("/proc/net/ip6_tables_names");
}

bool HasRules(Variant variant) {
  for (const Family family : {Family::kV4, Family::kV6}) {
    const auto saved = Tables(variant, family).Save();
    if (saved.ok() && saved->find("\n-A ") != std::string::npos) return true;
  }
  return false;
}

absl::Status Failed(const std::string& program, const CommandResult& result) {
  std::string errors = result.errors;
  while (errors.ends_with('\n')) errors.pop_back();
  const bool forbidden = errors.find("ermission denied") != std::string::npos ||
                         errors.find("not permitted") != std::string::npos;
  if (errors.empty()) errors = absl::StrCat("exit code ", result.exit_code);
  if (!forbidden) return absl::FailedPreconditionError(absl::StrCat(program, ": ", errors));
  return absl::PermissionDeniedError(
      absl::StrCat(program, ": ", errors,
                   "; run as root, in a pod with the capability NET_ADMIN (iptables-legacy also "
                   "needs NET_RAW)"));
}

}  // namespace

std::string Tables::name() const {
  return absl::StrCat(family_ == Family::kV4 ? "iptables" : "ip6tables",
                      variant_ == Variant::kNft ? "-nft" : "-legacy");
}

absl::StatusOr<std::string> Tables::Save(bool with_counters) const {
  std::vector<std::string> argv = {name() + "-save", "-t", "nat"};
  if (with_counters) argv.push_back("-c");
  const auto result = RunCommand(argv);
  if (!result.ok()) {
    return absl::NotFoundError(
        absl::StrCat(result.status().message(), ": install the package iptables"));
  }
  if (result->exit_code != 0) return Failed(argv[0], *result);
  return result->output;
}

absl::Status Tables::Restore(const std::string& input) const {
  std::vector<std::string> argv = {name() + "-restore", "--noflush"};
  // Another program is changing rules at this moment: nft has transactions instead of a lock.
  if (variant_ == Variant::kLegacy) argv.insert(argv.end(), {"--wait", "10"});
  const auto result = RunCommand(argv, input);
  if (!result.ok()) return result.status();
  return result->exit_code == 0 ? absl::OkStatus() : Failed(argv[0], *result);
}

absl::StatusOr<Variant> FindVariant() {
  const auto nft = Tables(Variant::kNft, Family::kV4).Save();
  if (LegacyIsLoaded() && HasRules(Variant::kLegacy) && !(nft.ok() && HasRules(Variant::kNft))) {
    return Variant::kLegacy;
  }
  if (nft.ok()) return Variant::kNft;
  const auto legacy = Tables(Variant::kLegacy, Family::kV4).Save();
  if (legacy.ok()) return Variant::kLegacy;
  if (absl::IsPermissionDenied(nft.status()) && absl::IsPermissionDenied(legacy.status())) {
    return absl::PermissionDeniedError(
        "permission denied: iptables requires root, or in a pod the capability NET_ADMIN "
        "(iptables-legacy also needs NET_RAW)");
  }
  return absl::FailedPreconditionError(absl::StrCat("no working variant of iptables found. ",
                                                    nft.status().message(), ". ",
                                                    legacy.status().message()));
}

std::vector<Variant> VariantsInUse() {
  std::vector<Variant> variants = {Variant::kNft};
  if (LegacyIsLoaded()) variants.push_back(Variant::kLegacy);
  return variants;
}

}  // namespace tulle::init
