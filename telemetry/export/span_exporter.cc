// Queues spans and sends them in batches to a collector.
#include "telemetry/export/span_exporter.h"

#include <array>

#include "net/grpc/status.h"
#include "telemetry/families.h"
#include "telemetry/otlp_span.h"

namespace tulle::telemetry {
namespace {

constexpr std::string_view kPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr size_t kMaxOfARequest = 256 * 1024;
constexpr loop::Duration kRetryAfter = std::chrono::seconds(1);

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

grpc::ChannelOptions ChannelOptionsOf(const SpanExporter::Options& options) {
  grpc::ChannelOptions channel;
  channel.authority = options.authority;
  channel.scheme = options.scheme;
  channel.metadata = options.metadata;
  return channel;
}

Counter& DroppedCounter(Registry& registry, std::string_view reason) {
  return registry.CounterRow(kSpansDropped, {&reason, 1});
}

}  // namespace

SpanExporter::SpanExporter(loop::Loop& loop, grpc::Channel::Connect connect, Options options,
                           Registry& registry)
    : loop_(loop),
      options_(std::move(options)),
      sent_(registry.CounterRow(kSpansSent)),
      queue_full_(DroppedCounter(registry, "queue_full")),
      refused_(DroppedCounter(registry, "refused")),
      retry_(loop.NewTimer([this] { Send(); })),
      channel_(loop, std::move(connect), ChannelOptionsOf(options_), *this) {
  channel_.Start();
}

SpanExporter::~SpanExporter() { call_.reset(); }

void SpanExporter::Add(std::string spans, uint64_t count) {
  if (waiting_bytes_ + flying_.spans.size() + spans.size() > options_.most_waiting)
    return Drop(queue_full_, count);
  waiting_bytes_ += spans.size();
  waiting_.push_back({std::move(spans), count});
  Send();
}

void SpanExporter::Send() {
  if (call_ != nullptr || waiting_.empty() || retry_->active() || !channel_.ready()) return;
  while (!waiting_.empty()) {
    Batch& next = waiting_.front();
    if (!flying_.spans.empty() && flying_.spans.size() + next.spans.size() > kMaxOfARequest) break;
    waiting_bytes_ -= next.spans.size();
    flying_.spans += next.spans;
    flying_.count += next.count;
    waiting_.pop_front();
  }
  call_ = channel_.NewUnaryCall(
      kPath, MakeExportRequest(options_.resource, flying_.spans), options_.timeout,
      [this](const grpc::Status& status, std::string response) { OnAnswer(status, response); });
}

void SpanExporter::OnAnswer(const grpc::Status& status, const std::string&) {
  loop_.DeferDelete(std::move(call_));
  call_ = nullptr;
  if (status.ok()) {
    sent_.Add(flying_.count);
    flying_ = {};
    return Send();
  }
  if (!MayBeSentAgain(status.code)) {
    Drop(refused_, flying_.count);
    flying_ = {};
    return Send();
  }
  PutBack();
  retry_->Start(kRetryAfter);
}

void SpanExporter::PutBack() {
  waiting_bytes_ += flying_.spans.size();
  waiting_.push_front(std::move(flying_));
  flying_ = {};
}

// The call was reported before, if there was one.
void SpanExporter::OnChannelLost(Failure) {}

}  // namespace tulle::telemetry
