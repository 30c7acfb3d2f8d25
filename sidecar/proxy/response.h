#pragma once

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/step.h"

// The phases of a response, beside those of the request (phases.h). Responses of the upstream and
// answers of our own pass through the same ones, in this order.
namespace tulle::proxy {

// The head is here: what is recorded of it. `head` lives in the call's arena.
void ReceiveResponse(Call& call, http::Head& head);
// An answer of our own takes the place of the upstream's response. To a gRPC caller it is a
// Trailers-Only response with status 200. True: it has a body.
bool ReceiveAnswer(Call& call, const Answer& answer);
// The codec answers by itself, because the request is not well-formed: headers for that answer.
const http::HeaderMap* RefusalHeaders(Call& call, Failure failure);
// Before the head is sent downstream: header changes.
void PrepareResponse(Call& call);
// The last byte, or the trailers, are here.
void EndResponse(Call& call, http::HeaderMap* trailers);

}  // namespace tulle::proxy
