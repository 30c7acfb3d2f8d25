#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "telemetry/export/delivery.h"

namespace tulle::telemetry {

// OTLP over gRPC: one call of Export for each batch. Owner, thread: Delivery.
class GrpcDelivery final : public Delivery, private grpc::ChannelEvents {
 public:
  static constexpr std::string_view kExportTraces =
      "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
  static constexpr std::string_view kExportLogs =
      "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

  struct Options {
    std::string_view method;  // one of these
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
  void OnAnswer(const grpc::Status& status, std::string_view response);

  loop::Loop& loop_;
  const std::string_view method_;
  const loop::Duration timeout_;
  absl::AnyInvocable<void()> on_ready_;
  Done done_;
  std::unique_ptr<grpc::UnaryCall> call_;
  grpc::Channel channel_;
};

}  // namespace tulle::telemetry
