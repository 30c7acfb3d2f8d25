// The kernel's nat table of one family, using iptables-save and iptables-restore of one variant.
// Blocking. Errors name what to install or allow.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/init/redirection.h"

namespace tulle::init {

enum class Variant { kNft, kLegacy };

class Tables {
 public:
  Tables(Variant variant, Family family) : variant_(variant), family_(family) {}

  absl::StatusOr<std::string> Save(bool with_counters = false) const;
  // One transaction, in addition to the existing rules.
  absl::Status Restore(const std::string& input) const;
  std::string name() const;  // "ip6tables-nft"
  Family family() const { return family_; }

 private:
  Variant variant_;
  Family family_;
};

// The variant in use: rules in two variants would redirect twice or not at all. None in use: nft if
// the kernel supports it.
absl::StatusOr<Variant> FindVariant();
// The variants that may hold our rules, without loading a kernel module.
std::vector<Variant> VariantsInUse();

}  // namespace tulle::init
