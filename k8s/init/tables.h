// The kernel's nat table of one family, by iptables-save and iptables-restore of one variant.
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
  // One transaction, beside what is there.
  absl::Status Restore(const std::string& input) const;
  std::string name() const;  // "ip6tables-nft"
  Family family() const { return family_; }

 private:
  Variant variant_;
  Family family_;
};

// The one in use here: where there are rules already, two variants side by side redirect twice or
// not at all. Nothing in use: nft if the kernel has it.
absl::StatusOr<Variant> FindVariant();
// Those that may hold rules of ours; without touching a kernel module that is not loaded.
std::vector<Variant> VariantsInUse();

}  // namespace tulle::init
