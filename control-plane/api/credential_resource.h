// /v1/credentials. For this package only. Owner: the Api; the credentials outlive it. Thread: the
// Api's.
#pragma once

#include "control-plane/api/credentials.h"
#include "control-plane/api/route.h"

namespace tulle::api {

class CredentialResource {
 public:
  explicit CredentialResource(Credentials* credentials) : credentials_(credentials) {}

  Routes routes();

 private:
  ApiResponse List(const Call& call);
  ApiResponse Create(const Call& call);
  ApiResponse Delete(const Call& call);

  Credentials* credentials_;
};

}  // namespace tulle::api
