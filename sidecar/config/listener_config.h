#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "sidecar/config/field_path.h"
#include "sidecar/config/http_config.h"
#include "sidecar/config/listener_spec.h"
#include "sidecar/config/tls_config.h"

namespace tulle::config {

absl::StatusOr<std::shared_ptr<const ListenerSpec>> ToListener(
    const envoy::config::listener::v3::Listener& listener, ListenerConversion& conversion,
    TlsConversion& tls, const FieldPath& at);

}  // namespace tulle::config
