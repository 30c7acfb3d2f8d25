#include "k8s/init/redirect.h"

#include "absl/strings/str_cat.h"
#include "k8s/init/network.h"

namespace tulle::init {
namespace {

absl::Status SetOne(const Redirection& redirection, const Tables& tables, const Tell& tell) {
  const auto saved = tables.Save();
  if (!saved.ok()) return saved.status();
  const absl::Status status = tables.Restore(RulesFor(redirection, tables.family(), *saved));
  if (!status.ok()) return status;
  tell(absl::StrCat("rules set by ", tables.name()));
  if (tables.family() == Family::kV6) return AddOwnSource6();
  if (redirection.vip_range.empty()) return absl::OkStatus();
  const auto added = AddRouteToLoopback(redirection.vip_range);
  if (added.ok() && *added) tell(absl::StrCat("added route ", redirection.vip_range, " dev lo"));
  return added.status();
}

absl::Status RemoveRules(Variant variant, Family family, const Tell& tell) {
  const Tables tables(variant, family);
  const auto saved = tables.Save();
  if (!saved.ok()) {
    // Without permission to change rules, there are none of ours.
    const bool matters = !absl::IsNotFound(saved.status()) && family == Family::kV4;
    return matters ? saved.status() : absl::OkStatus();
  }
  const std::string removal = RemovalOf(*saved);
  if (removal.empty()) return absl::OkStatus();
  const absl::Status removed = tables.Restore(removal);
  if (removed.ok()) tell(absl::StrCat("removed rules from ", tables.name()));
  return removed;
}

}  // namespace

absl::StatusOr<std::vector<Tables>> TablesFor(const Options& options) {
  Variant variant = options.variant == "legacy" ? Variant::kLegacy : Variant::kNft;
  if (options.variant == "auto") {
    const auto found = FindVariant();
    if (!found.ok()) return found.status();
    variant = *found;
  }
  std::vector<Tables> tables = {Tables(variant, Family::kV4)};
  if (!options.without_ipv6 && HasIpv6()) tables.emplace_back(variant, Family::kV6);
  return tables;
}

absl::Status SetRedirection(const Redirection& redirection, const std::vector<Tables>& all,
                            const Tell& tell) {
  for (const Tables& tables : all) {
    const absl::Status status = SetOne(redirection, tables, tell);
    if (status.ok()) continue;
    std::string message(status.message());
    if (tables.family() == Family::kV6) {
      absl::StrAppend(&message,
                      ". IPv6 works here but cannot be redirected. Load the kernel's module "
                      "ip6table_nat, switch IPv6 off, or set --no-ipv6 of tulle-init");
    }
    const absl::Status removed = RemoveRedirection(redirection, tell);
    absl::StrAppend(&message, removed.ok() ? ". All rules were removed" : ". Rules are left: ",
                    removed.message());
    return absl::Status(status.code(), message);
  }
  return absl::OkStatus();
}

absl::Status RemoveRedirection(const Redirection& redirection, const Tell& tell) {
  absl::Status status;
  for (const Variant variant : VariantsInUse()) {
    for (const Family family : {Family::kV4, Family::kV6})
      status.Update(RemoveRules(variant, family, tell));
  }
  if (!redirection.vip_range.empty()) status.Update(RemoveRouteToLoopback(redirection.vip_range));
  if (HasIpv6()) status.Update(RemoveOwnSource6());
  return status;
}

}  // namespace tulle::init
