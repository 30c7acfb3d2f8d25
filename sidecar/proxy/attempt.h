#pragma once

#include "net/http/stream.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

// What an attempt reports. After Abandon, or the end of the response, nothing follows.
class AttemptEvents {
 public:
  virtual Arena& arena() = 0;
  virtual void OnStream() = 0;
  virtual void OnInterim(http::Head& head) = 0;
  virtual void OnHead(http::Head& head, bool end) = 0;
  virtual void OnData(Buffer& data, bool end) = 0;
  virtual void OnTrailers(http::HeaderMap& trailers) = 0;
  virtual void OnFailed(Failure failure) = 0;
  virtual void OnRoom() = 0;
  // Its result has opened the circuit breaker of its endpoint.
  virtual void OnBreakerOpened() = 0;

 protected:
  ~AttemptEvents() = default;
};

// One try to get a response from one endpoint: waits for a stream, then carries the request to it
// and the response back. It tells the cluster what became of it. Owner: Forwarding. Thread: the
// worker's.
class Attempt final : public upstream::StreamWaiter, public http::StreamEvents {
 public:
  // `picked` counts this attempt among the endpoint's users.
  Attempt(AttemptEvents& owner, upstream::Cluster& cluster, upstream::Cluster::Picked picked);
  ~Attempt() override;

  // Asks the pool. True: the stream is there. False: OnStream or OnFailed follows, unless *failure
  // is set.
  bool Start(upstream::HttpVersion version, bool fresh_connection, Failure* failure);
  // Resets the stream, or withdraws from the queue.
  void Abandon(Failure why);
  // Both messages are complete: lets go of the stream.
  void Complete();

  http::Stream* stream() const { return stream_; }
  upstream::HttpVersion version() const { return version_; }
  upstream::Endpoint& endpoint() { return *picked_.endpoint; }
  Transport* transport() { return transport_; }
  // Keep-alive race: a reused connection closed before a byte of the response came. It says nothing
  // about the endpoint or the request.
  bool IsKeepAliveRace(Failure failure) const;

  // StreamWaiter
  http::StreamEvents& events() override { return *this; }
  void OnStream(http::Stream& stream, Transport& transport, bool reused) override;
  void OnNoStream(Failure failure) override;

  // StreamEvents
  Arena& arena() override { return owner_.arena(); }
  void OnInterim(http::Head& head) override;
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override { owner_.OnData(data, end); }
  void OnTrailers(http::HeaderMap& trailers) override { owner_.OnTrailers(trailers); }
  void OnReset(Failure failure) override;
  void OnSendRoom() override { owner_.OnRoom(); }

 private:
  void Report(Failure failure);

  AttemptEvents& owner_;
  upstream::Cluster& cluster_;
  upstream::Cluster::Picked picked_;
  http::Stream* stream_ = nullptr;
  Transport* transport_ = nullptr;
  upstream::HttpVersion version_ = upstream::HttpVersion::k1;
  bool reused_ = false;
  bool received_ = false;  // a byte of the response
  bool upgraded_ = false;
};

}  // namespace tulle::proxy
