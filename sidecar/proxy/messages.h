#pragma once

#include "sidecar/proxy/body_flow.h"
#include "sidecar/proxy/clocks.h"

namespace tulle::proxy {

// Request and response on their way between the caller's stream and that of the attempt: heads,
// bodies, trailers; after an upgrade, bytes both ways, each to its own end.
//
// Owner: Exchange. Thread: the worker's.
class Messages {
 public:
  Messages(Call& call, RequestClocks& clocks, http::Stream& downstream, BodyFlowEvents& events);

  // The request, from downstream. EndRequest comes before its last part.
  void EndRequest();
  void ReceiveNoBody() { request_.SetEmpty(); }
  void ReceiveRequest(Buffer& data, bool end);
  void ReceiveRequestTrailers(http::HeaderMap& trailers);
  // To an attempt: its head, what has come of its body, and the rest as it comes.
  void SendRequest(http::Stream& upstream);
  void PullRequest();
  // The attempt has ended: what comes now is held for the next one.
  void DetachUpstream();

  // The response, from the attempt or made here: call.response.head goes downstream.
  void SendInterim(const http::Head& head);
  void SendResponse(bool end);
  void SendBody(BodySource& body) { response_.From(body); }
  void ReceiveResponse(Buffer& data, bool end);
  void ReceiveResponseTrailers(http::HeaderMap& trailers) { response_.ReceiveTrailers(trailers); }
  void PullResponse() { response_.Pull(); }

  // The present attempt has been sent the request to its end.
  bool request_sent() const { return request_.sent(); }
  // Nothing is left to be sent downstream, nor, after an upgrade, upstream.
  bool done() const { return response_.sent() && (!upgraded_ || request_.sent()); }
  bool upgraded() const { return upgraded_; }
  size_t held_bytes() const;
  // Neither stream is used any more.
  void Close();

 private:
  void StartClocksUnsent();
  void Upgrade();

  Call& call_;
  RequestClocks& clocks_;
  http::Stream* downstream_;
  http::Stream* upstream_ = nullptr;
  BodyFlow request_;
  BodyFlow response_;
  bool request_begun_ = false;  // an attempt was sent the head
  bool continue_sent_ = false;
  bool upgraded_ = false;  // BeginsBytes()
};

}  // namespace tulle::proxy
