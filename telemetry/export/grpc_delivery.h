#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "telemetry/export/span_delivery.h"

namespace tulle::telemetry {

// OTLP over gRPC: opentelemetry.proto.collector.trace.v1.TraceService/Export. A body is an
// ExportTraceServiceRequest. Owner, thread: SpanDelivery.
class GrpcDelivery final : public SpanDelivery, private grpc::ChannelEvents {
 public:
  struct Options {
    std::string authority;
    std::string scheme = "http";
    std::vector<std::pair<std::string, std::string>> metadata;
    loop::Duration timeout = std::chrono::seconds(10);
  };

  GrpcDelivery(loop::Loop& loop, grpc::Channel::Connect connect, const Options& options);
  ~GrpcDelivery() override;

  void Start(absl::AnyInvocable<void()> on_ready) override;
  bool ready() const override { return channel_.ready(); }
  void Send(std::string body, Done done) override;
  void Reconnect() override { channel_.Reconnect(); }

 private:
  void OnChannelReady() override { on_ready_(); }
  // The call was reported before, if there was one.
  void OnChannelLost(Failure) override {}
  void OnAnswer(const grpc::Status& status);

  loop::Loop& loop_;
  const loop::Duration timeout_;
  absl::AnyInvocable<void()> on_ready_;
  Done done_;
  std::unique_ptr<grpc::UnaryCall> call_;
  grpc::Channel channel_;
};

}  // namespace tulle::telemetry
