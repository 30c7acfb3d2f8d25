#include "telemetry/export/grpc_delivery.h"

#include "net/grpc/status.h"

namespace tulle::telemetry {
namespace {

// Source: the OTLP specification, "Failures".
bool MayBeSentAgain(grpc::Code code) {
  switch (code) {
    case grpc::Code::kCancelled:
    case grpc::Code::kDeadlineExceeded:
    case grpc::Code::kAborted:
    case grpc::Code::kOutOfRange:
    case grpc::Code::kUnavailable:
    case grpc::Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

grpc::ChannelOptions ChannelOptionsOf(const GrpcDelivery::Options& options) {
  grpc::ChannelOptions channel;
  channel.authority = options.authority;
  channel.scheme = options.scheme;
  channel.metadata = options.metadata;
  return channel;
}

}  // namespace

GrpcDelivery::GrpcDelivery(loop::Loop& loop, grpc::Channel::Connect connect, const Options& options)
    : loop_(loop),
      method_(options.method),
      timeout_(options.timeout),
      channel_(loop, std::move(connect), ChannelOptionsOf(options), *this) {}

GrpcDelivery::~GrpcDelivery() { call_.reset(); }

void GrpcDelivery::Start(absl::AnyInvocable<void()> on_ready) {
  on_ready_ = std::move(on_ready);
  channel_.Start();
}

void GrpcDelivery::Send(std::string body, Done done) {
  done_ = std::move(done);
  call_ =
      channel_.NewUnaryCall(method_, body, timeout_,
                            [this](const grpc::Status& status, std::string) { OnAnswer(status); });
}

void GrpcDelivery::OnAnswer(const grpc::Status& status) {
  loop_.DeferDelete(std::move(call_));
  const DeliveryResult result = status.ok()                   ? DeliveryResult::kAccepted
                                : MayBeSentAgain(status.code) ? DeliveryResult::kLater
                                                              : DeliveryResult::kRefused;
  std::exchange(done_, nullptr)(result, {});
}

}  // namespace tulle::telemetry
