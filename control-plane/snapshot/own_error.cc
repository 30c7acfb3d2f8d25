#include "control-plane/snapshot/own_error.h"

namespace tulle::snapshot {

void SetOwnError(const OwnError& error, envoy::config::route::v3::Route* route) {
  auto* answer = route->mutable_direct_response();
  answer->set_status(error.status);
  if (!error.body.empty()) answer->mutable_body()->set_inline_string(error.body);
  auto& own = (*route->mutable_metadata()->mutable_filter_metadata())["tulle"];
  (*own.mutable_fields())["cause"].set_string_value(error.cause);
}

}  // namespace tulle::snapshot
