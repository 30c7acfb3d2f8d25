#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "certs/trust_bundle.h"
#include "net/tls/tls_spec.h"

namespace tulle::identity {

// This sidecar's identity: key, certificate chain and trusted roots. An immutable value; main
// thread.
struct Identity {
  std::string key_pem;
  std::string chain_pem;
  std::string roots_pem;
  std::string spiffe_id;
  int64_t not_before = 0;  // seconds since the epoch
  int64_t not_after = 0;
  std::shared_ptr<const tls::TlsIdentity> tls;
  std::shared_ptr<const certs::TrustBundle> trust;
};

// Checks that the three belong together. Errors name the invalid part, and never contain the key.
absl::StatusOr<std::shared_ptr<const Identity>> MakeIdentity(std::string key_pem,
                                                             std::string chain_pem,
                                                             std::string roots_pem);

// The identity on disk, so that the sidecar can restart while the control plane is down: one file
// in the state directory with mode 0600, replaced atomically. Anyone who can read it can
// impersonate this workload.
class IdentityFile {
 public:
  explicit IdentityFile(std::string directory) : path_(std::move(directory) + "/identity.pem") {}
  // kNotFound: no identity yet.
  absl::StatusOr<std::shared_ptr<const Identity>> Load() const;
  absl::Status Save(const Identity& identity) const;

 private:
  std::string path_;
};

}  // namespace tulle::identity
