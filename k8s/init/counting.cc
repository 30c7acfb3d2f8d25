#include "k8s/init/counting.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "k8s/init/redirection.h"
#include "k8s/init/saved_rules.h"

namespace tulle::init {

Counting::Counting(std::string_view chain, size_t place, const Connection& connection)
    : chain_(chain),
      place_(place),
      ports_(absl::StrCat("--sport ", connection.from, " --dport ", connection.port)),
      rule_(absl::StrCat("-d ", connection.address, " -p tcp -m tcp ", ports_)) {}

std::optional<Counting> Counting::Of(const Connection& connection, uint16_t sidecar_port,
                                     std::string_view saved) {
  const std::string redirecting = absl::StrCat("-p tcp -j REDIRECT --to-ports ", sidecar_port);
  for (const std::string_view chain : kRedirectingChains) {
    const std::vector<SavedRule> rules = RulesOfChain(saved, chain);
    const auto at = std::find_if(rules.begin(), rules.end(),
                                 [&](const SavedRule& rule) { return rule.text == redirecting; });
    if (at == rules.end()) continue;
    return Counting(chain, static_cast<size_t>(at - rules.begin()) + 1, connection);
  }
  return std::nullopt;
}

std::string Counting::Begin() const {
  return absl::StrCat("*nat\n-I ", chain_, " ", place_, " ", rule_, "\nCOMMIT\n");
}

std::string Counting::End() const {
  return absl::StrCat("*nat\n-D ", chain_, " ", rule_, "\nCOMMIT\n");
}

bool Counting::HasSeenIt(std::string_view saved) const {
  const std::vector<SavedRule> rules = RulesOfChain(saved, chain_);
  return std::any_of(rules.begin(), rules.end(), [&](const SavedRule& rule) {
    return rule.text.ends_with(ports_) && rule.packets > 0;
  });
}

}  // namespace tulle::init
