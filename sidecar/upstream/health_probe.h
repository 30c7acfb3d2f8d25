#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "net/base/arena.h"
#include "net/grpc/client_call.h"
#include "net/http/connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "sidecar/upstream/cluster_spec.h"

// How the health of an endpoint is checked.
namespace tulle::upstream {

// The target of a probe and its loop. Must outlive the probe.
struct ProbeTarget {
  loop::Loop& loop;
  loop::Deadlines& deadlines;
  std::shared_ptr<const ClusterSpec> cluster;
  EndpointSpec endpoint;
  const HealthCheckSpec& check() const { return cluster->health_checks.front(); }
};

// Checks one endpoint, one request at a time. It connects as a request would: by mTLS if the
// endpoint requires it, and only to the endpoint's expected identity. Owner: EndpointCheck. Thread:
// the loop's.
class HealthProbe {
 public:
  using Done = absl::AnyInvocable<void(bool good)>;

  virtual ~HealthProbe() = default;
  // `done` runs once for each Ask that is not cancelled, never from inside Ask.
  virtual void Ask() = 0;
  // Cancels: the response is no longer needed.
  virtual void GiveUp() = 0;
};

std::unique_ptr<HealthProbe> NewHealthProbe(const ProbeTarget& target, HealthProbe::Done done);

// A GET, or grpc.health.v1.Health/Check.
class HttpHealthProbe final : public HealthProbe,
                              private http::ClientConnectionEvents,
                              private http::StreamEvents {
 public:
  HttpHealthProbe(const ProbeTarget& target, Done done) : target_(target), done_(std::move(done)) {}
  ~HttpHealthProbe() override { Drop(); }
  void Ask() override;
  void GiveUp() override { Drop(); }

 private:
  void OnConnectionReady() override;
  void OnStreamRoom() override {}
  void OnConnectionClosed(Failure why) override;

  Arena& arena() override { return *arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap&) override { OnEnd(); }
  void OnReset(Failure failure) override;
  void OnSendRoom() override {}

  bool is_grpc() const { return target_.check().kind == HealthCheckSpec::Kind::kGrpc; }
  bool IsExpected(int status) const;
  void Send();
  void SendGet();
  void Call();
  void OnEnd();
  void OnLost();
  void Dial();
  void Answer(bool good);
  void Drop();

  const ProbeTarget& target_;
  Done done_;
  std::unique_ptr<http::ClientConnection> connection_;
  std::optional<Arena> arena_;
  http::Stream* stream_ = nullptr;
  std::unique_ptr<grpc::UnaryCall> call_;
  bool asked_ = false;   // a response is pending
  bool reused_ = false;  // on a reused connection
  size_t unread_ = 0;    // bytes of a body that may still come
};

// A connect and, if the check is configured so, bytes in both directions.
class TcpHealthProbe final : public HealthProbe, private TransportEvents {
 public:
  TcpHealthProbe(const ProbeTarget& target, Done done);
  ~TcpHealthProbe() override { Drop(); }
  void Ask() override;
  void GiveUp() override { Drop(); }

 private:
  void OnTransportReady() override;
  void OnTransportReadable() override;
  void OnTransportWritable() override { transport_->Write(unsent_); }
  void OnTransportFailed(Failure) override { Answer(false); }

  bool HasAll() const;
  void Answer(bool good);
  void Drop();

  const ProbeTarget& target_;
  Done done_;
  std::unique_ptr<Transport> transport_;
  Buffer unsent_;
  Buffer received_;
};

}  // namespace tulle::upstream
