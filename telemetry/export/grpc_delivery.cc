#include "telemetry/export/grpc_delivery.h"

#include "net/grpc/status.h"
#include "telemetry/export/collector_answer.h"

namespace tulle::telemetry {
namespace {

// Source: the OTLP specification, "Failures". `asks_to_wait`: by RetryInfo.
bool MayBeSentAgain(grpc::Code code, bool asks_to_wait) {
  switch (code) {
    case grpc::Code::kResourceExhausted:
      return asks_to_wait;
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
  call_ = channel_.NewUnaryCall(method_, body, timeout_,
                                [this](const grpc::Status& status, const std::string& response) {
                                  OnAnswer(status, response);
                                });
}

void GrpcDelivery::OnAnswer(const grpc::Status& status, std::string_view response) {
  loop_.DeferDelete(std::move(call_));
  DeliveryOutcome outcome;
  if (status.ok()) {
    PartialSuccess partial = PartialSuccessIn(response);
    outcome = {DeliveryResult::kAccepted, {}, partial.rejected, std::move(partial.message)};
  } else {
    const std::optional<loop::Duration> wait = RetryDelayIn(status);
    outcome.result = MayBeSentAgain(status.code, wait.has_value()) ? DeliveryResult::kLater
                                                                   : DeliveryResult::kRefused;
    outcome.wait = wait.value_or(loop::Duration(0));
    outcome.message = status.message;
  }
  std::exchange(done_, nullptr)(std::move(outcome));
}

}  // namespace tulle::telemetry
