// What the control plane keeps on disk: the store, and what is read from it at the start.
// Owner: ControlPlane. Thread: the store's. Errors: absl::Status; a store that cannot be used as it
// is keeps tulle-control from starting.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/api/credentials.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/discovery/vip_book.h"
#include "control-plane/store/store.h"
#include "telemetry/log.h"

namespace tulle::server {

struct BookOptions {
  std::string data_dir;          // empty: nothing is kept, and the API accepts no credential
  bool store_in_memory = false;  // for simulations, which do not wait for disks
  ca::MeshAuthority::Options authority;
  bool reset_admin = false;  // a new credential for the admin, at this start
  // Start even if a policy that restricts access cannot be parsed, and do not enforce it.
  bool ignore_unreadable_policies = false;
};

struct Books {
  std::unique_ptr<store::Store> store;
  std::unique_ptr<discovery::PolicyBook> policies;
  std::unique_ptr<discovery::VipBook> vips;
  std::unique_ptr<ca::MeshAuthority> authority;
  ca::JoinTokens tokens{nullptr, nullptr};
  api::Credentials credentials{nullptr, nullptr};
};

// The roots in the store, with their keys (roots_record.h). An empty store gets its first one.
absl::StatusOr<std::string> RootsOfStore(const BookOptions& options, certs::KeySource& keys,
                                         int64_t now);

// `now` in seconds since the epoch.
absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const BookOptions& options, certs::KeySource& keys,
                                                 telemetry::Log& log, int64_t now);

}  // namespace tulle::server
