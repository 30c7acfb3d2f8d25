// The hops of a request, from the records of the sidecars that it passed (GET /v1/requests): each
// call has that of the caller's sidecar and that of the service's. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/diagnosis/json_reading.h"

namespace tulle::diagnosis {

struct Hop {
  Json record;
  size_t depth = 0;  // calls before it
  int parent = -1;   // index of the hop that led to it; -1: none is known
};

// In the order in which the request passed them, a call's own calls after it. Clocks of hosts may
// differ, so who called whom decides, and time only among calls of one workload.
std::vector<Hop> OrderedHops(const Json& records);

// The calls of which only one side's record is there: "the sidecar of web.shop, which called
// cart.shop". A sidecar keeps few thousand requests, so that the other may be overwritten.
std::vector<std::string> MissingIn(const std::vector<Hop>& hops);

// "cart.shop" of a SPIFFE ID or of a host of a service; other texts stay.
std::string ShortWorkload(const std::string& spiffe_id);
std::string ShortService(const std::string& host);
// "AuthorizationPolicy default/only-web, rule 0" of a policy as sidecars know it.
std::string PolicyText(const std::string& policy);
// "2.4ms", "1.2s".
std::string MicrosText(int64_t micros);

}  // namespace tulle::diagnosis
