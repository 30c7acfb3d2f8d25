// Verifies the certificate chain that a peer presents: the only place where Tulle decides which
// peers to trust. Pure: no clock, no I/O; used by the real and by the simulated secure transport.
//
// Rules, in order (SPIFFE X509-SVID.md sections 4 and 5; RFC 5280):
// 1. the leaf has exactly one URI SAN, a SPIFFE ID with a path, in its canonical form;
// 2. the leaf is not a CA, may not sign certificates, and has both serverAuth and clientAuth if it
//    limits its use; the SAN is critical if the subject is empty;
// 3. a path leads to a root of the trust domain named by the SPIFFE ID, valid at `now`;
// 4. no revocation list of the bundle names the leaf or an intermediate;
// 5. the SAN matchers, if any, accept the leaf.
// With require_spiffe off, rules 1 and 2 do not apply to a leaf without a spiffe:// URI (a web
// server).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "certs/certificate.h"
#include "certs/san_matcher.h"
#include "certs/spiffe_id.h"
#include "certs/trust_bundle.h"

namespace tulle::certs {

enum class PeerRole { kClient, kServer };  // the peer's role

enum class VerifyFailure {
  kNoCertificate,
  kMalformed,
  kBadSpiffeId,       // none, several, or not in canonical form
  kIsAuthority,       // a signing certificate used to authenticate
  kBadUsage,          // key usage or extended key usage
  kUnknownDomain,     // no roots for the trust domain that the leaf names
  kUnknownAuthority,  // no path to a root
  kExpired,
  kNotYetValid,
  kBadSignature,
  kBadChain,        // any other error of RFC 5280 path validation
  kRevoked,         // on a revocation list of its issuer
  kNameNotAllowed,  // refused by the SAN matchers
};

struct PeerIdentity {
  std::optional<SpiffeId> id;  // always set when require_spiffe is on
  Certificate leaf;
};

struct VerifyError {
  VerifyFailure failure;
  std::string detail;  // for logs: the error, and how to fix it
};

struct VerifyRules {
  PeerRole role = PeerRole::kClient;
  bool require_spiffe = true;
  std::span<const SanMatcher> san_matchers = {};
};

using VerifyResult = std::variant<PeerIdentity, VerifyError>;

// `chain`: DER, leaf first, then intermediates in any order. `now`: seconds since the epoch.
VerifyResult VerifyPeer(std::span<const std::string_view> chain, const TrustBundle& bundle,
                        std::int64_t now, const VerifyRules& rules);

// Stable names for metrics and logs, such as "expired".
std::string_view ToString(VerifyFailure failure);

}  // namespace tulle::certs
