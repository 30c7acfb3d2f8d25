#pragma once

#include "net/http/stream.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::upstream {
class Cluster;
class Endpoint;
}  // namespace tulle::upstream

namespace tulle::proxy {

class Exchange;

// One try to get an answer from one endpoint: waits for a stream, then carries the request to it
// and the response back to the exchange. Owner: Exchange. Thread: the worker's. After Abandon, or
// the end of the response, no call reaches the exchange.
class Attempt final : public upstream::StreamWaiter, public http::StreamEvents {
 public:
  // `endpoint` was picked (its `active` counts this attempt).
  Attempt(Exchange& exchange, upstream::Cluster& cluster, upstream::Cluster::Picked picked);
  ~Attempt() override;

  // Asks the pool. True: the stream is there. False: it comes by Exchange::OnAttemptStream, or
  // OnAttemptFailed, unless *failure is set.
  bool Start(upstream::HttpVersion version, bool fresh_connection, Failure* failure);
  // Resets the stream, or withdraws from the queue.
  void Abandon(Failure why);
  // Both messages are complete: lets the stream go.
  void Complete();

  http::Stream* stream() const { return stream_; }
  upstream::Endpoint& endpoint() { return *picked_.endpoint; }
  Transport* transport() { return transport_; }
  // Whether a failure of this kind is the end of a connection that had served before, without a
  // byte of an answer: it says nothing about endpoint or request.
  bool MetEndOfKept(FailureKind kind) const;

  // StreamWaiter
  http::StreamEvents& events() override { return *this; }
  void OnStream(http::Stream& stream, Transport& transport, bool reused) override;
  void OnNoStream(Failure failure) override;

  // StreamEvents
  Arena& arena() override;
  void OnInterim(http::Head& head) override;
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override;

 private:
  void Judge(Failure failure);
  void Judge(const http::Head& head);

  Exchange& exchange_;
  upstream::Cluster& cluster_;
  upstream::Cluster::Picked picked_;
  http::Stream* stream_ = nullptr;
  Transport* transport_ = nullptr;
  upstream::HttpVersion version_ = upstream::HttpVersion::k1;
  bool reused_ = false;
  bool got_anything_ = false;
  bool upgraded_ = false;
};

}  // namespace tulle::proxy
