#include "net/tls/peer_revalidation.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace tulle::tls {
namespace {

bool TrustsMore(const PeerRequirements& before, const PeerRequirements& after) {
  if (after.trust == nullptr || after.trust == before.trust) return true;
  return before.trust != nullptr && after.trust->Covers(*before.trust);
}

bool NamesMore(const PeerRequirements& before, const PeerRequirements& after) {
  if (after.san_matchers.empty()) return true;
  return !before.san_matchers.empty() &&
         std::all_of(before.san_matchers.begin(), before.san_matchers.end(),
                     [&](const certs::SanMatcher& name) {
                       return std::find(after.san_matchers.begin(), after.san_matchers.end(),
                                        name) != after.san_matchers.end();
                     });
}

bool Demands(bool before, bool after) { return after && !before; }

}  // namespace

bool PeerRevalidation::Widens(const PeerRequirements& before, const PeerRequirements& after) {
  const auto [known, fresh] = widens_.try_emplace({&before, &after}, false);
  if (fresh) {
    known->second = TrustsMore(before, after) && NamesMore(before, after) &&
                    !Demands(before.require_spiffe, after.require_spiffe) &&
                    !Demands(before.require_certificate, after.require_certificate);
  }
  return known->second;
}

bool PeerRevalidation::Passes(const Transport& transport, const PeerRequirements& requirements) {
  if (!transport.is_tls() || requirements.trust == nullptr) return true;
  const std::vector<std::string_view> chain = transport.peer_chain();
  if (chain.empty()) return !requirements.require_certificate;
  std::string key;
  for (const std::string_view certificate : chain) key.append(certificate);
  const auto [known, fresh] = verdicts_.try_emplace({&requirements, std::move(key)}, false);
  if (fresh) known->second = Verify(chain, requirements);
  return known->second;
}

bool PeerRevalidation::Verify(const std::vector<std::string_view>& chain,
                              const PeerRequirements& requirements) const {
  const auto leaf = certs::Certificate::FromDer(chain.front());
  if (!leaf.ok()) return false;
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch()).count();
  const auto verdict =
      certs::VerifyPeer(chain, *requirements.trust, std::min(now, leaf->not_after() - 1),
                        {.role = requirements.role,
                         .require_spiffe = requirements.require_spiffe,
                         .san_matchers = requirements.san_matchers});
  return std::holds_alternative<certs::PeerIdentity>(verdict);
}

}  // namespace tulle::tls
