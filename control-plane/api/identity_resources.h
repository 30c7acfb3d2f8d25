// /v1/tokens: join tokens of workloads. /v1/certs: roots, and certificates for workloads without a
// sidecar. For this package only. Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include <functional>
#include <utility>

#include "control-plane/api/route.h"

namespace tulle::api {

class TokenResource {
 public:
  TokenResource(ca::JoinTokens* tokens, const ca::MeshAuthority* authority)
      : tokens_(tokens), authority_(authority) {}

  Routes routes();

 private:
  ApiResponse Create(const Call& call);
  ApiResponse List(const Call& call);
  ApiResponse Revoke(const Call& call);

  ca::JoinTokens* tokens_;
  const ca::MeshAuthority* authority_;
};

class CertificateResource {
 public:
  CertificateResource(ca::MeshAuthority* authority, std::function<void()> on_change)
      : authority_(authority), on_change_(std::move(on_change)) {}

  Routes routes();

 private:
  ApiResponse Show(const Call& call);
  ApiResponse Issue(const Call& call);
  ApiResponse Rotate(const Call& call);

  ca::MeshAuthority* authority_;
  std::function<void()> on_change_;
};

}  // namespace tulle::api
