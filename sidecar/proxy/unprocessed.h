#pragma once

#include <string_view>

#include "net/http/head.h"
#include "net/socket/transport.h"
#include "sidecar/proxy/call.h"
#include "sidecar/proxy/step.h"

// How a workload's sidecar tells that of its caller that the application has not seen a request:
// its own 503 has a header. The caller's sidecar then treats it as a refused stream, so another
// endpoint is tried by default. To every other client it is an ordinary 503. A reset with
// REFUSED_STREAM would say the same, but over HTTP/2 only, and to clients that cannot send a
// request again.
namespace tulle::proxy {

// An answer of our own is about to be sent: adds the header if it is true of it. Only callers with
// an identity get it.
void MarkUnprocessed(const Call& call, const Answer& answer);
// A response has come over that transport (null: none). Whether it has the header, and is from a
// peer in the mesh; then the header is removed. That of an application means nothing.
bool TakeUnprocessed(const Call& call, http::Head& response, const Transport* from);

}  // namespace tulle::proxy
