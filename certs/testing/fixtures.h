// Certificates for tests: a CA from a seed, good leaves, and each kind of bad leaf that a peer may
// present. Everything is valid around kNow unless its kind says otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "certs/authority.h"
#include "certs/certificate.h"
#include "certs/private_key.h"
#include "certs/trust_bundle.h"

namespace tulle::certs::testing {

inline constexpr std::int64_t kNow = 1'790'000'000;  // 2026-09-21

struct TestIdentity {
  std::vector<Certificate> chain;  // leaf first
  PrivateKey key;

  std::vector<std::string_view> Der() const;
  std::string ChainPem() const { return ToPem(chain); }
};

enum class BadLeaf {
  kExpired,
  kNotYetValid,
  kTwoUriSans,
  kNoUriSan,
  kUpperCaseScheme,
  kDotDotSegment,
  kPercentEncoding,
  kQuery,
  kPort,
  kUserInfo,
  kFragment,
  kEmptyPath,
  kOtherTrustDomain,
  kPrefixDomain,
  kIsAuthority,
  kMayCertSign,
  kServerAuthOnly,
  kNoDigitalSignature,
  kSelfSigned,
  kKeyMismatch,
};

enum class TestKeys {
  kP256,    // as in production
  kSeeded,  // Ed25519 from the seed: equal certificates in each run, for simulation
};

class TestCa {
 public:
  explicit TestCa(std::string_view trust_domain = "cluster.local", std::uint64_t seed = 1,
                  std::int64_t now = kNow, TestKeys kind = TestKeys::kP256);

  TestIdentity Workload(std::string_view service_account, std::string_view name_space = "default",
                        std::vector<std::string> dns = {}, std::string labels = {});
  TestIdentity Bad(BadLeaf kind);
  // An ordinary web server's certificate: DNS name only, serverAuth only.
  TestIdentity WebServer(std::string dns_name);

  TrustBundle Bundle() const;
  TrustBundle AnyDomainBundle() const;
  const Authority& authority() const { return authority_; }

 private:
  std::unique_ptr<KeySource> keys_;
  std::int64_t now_;
  Authority authority_;
};

}  // namespace tulle::certs::testing
