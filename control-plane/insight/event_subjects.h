// What events are about, as users name it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/insight/event_book.h"

namespace tulle::insight {

// Of a sidecar: the pod (NAMESPACE/NAME) if it has one, else its node ID in the namespace of its
// identity.
EventSubject ProxySubject(std::string_view node, std::string_view pod, std::string_view spiffe_id);
// ACCOUNT of its namespace; another identity by its whole SPIFFE ID.
EventSubject IdentitySubject(std::string_view spiffe_id);
// Somebody of whom no more than the address is known.
EventSubject HostSubject(std::string_view address);

}  // namespace tulle::insight
