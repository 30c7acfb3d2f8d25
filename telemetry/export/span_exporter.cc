#include "telemetry/export/span_exporter.h"

#include <algorithm>
#include <utility>

#include "telemetry/families.h"

namespace tulle::telemetry {
namespace {

constexpr size_t kMaxOfARequest = 256 * 1024;
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::seconds(30);

Counter& DroppedCounter(Registry& registry, std::string_view reason) {
  return registry.CounterRow(kSpansDropped, {&reason, 1});
}

}  // namespace

SpanExporter::SpanExporter(loop::Loop& loop, std::unique_ptr<SpanDelivery> delivery,
                           Options options, Registry& registry)
    : loop_(loop),
      options_(std::move(options)),
      sent_(registry.CounterRow(kSpansSent)),
      queue_full_(DroppedCounter(registry, "queue_full")),
      refused_(DroppedCounter(registry, "refused")),
      backoff_(kFirstBackoff),
      retry_(loop.NewTimer([this] { Send(); })),
      delivery_(std::move(delivery)) {
  delivery_->Start([this] { Send(); });
}

void SpanExporter::Add(std::string spans, uint64_t count) {
  if (waiting_bytes_ + flying_.spans.size() + spans.size() > options_.most_waiting)
    return Drop(queue_full_, count);
  waiting_bytes_ += spans.size();
  waiting_.push_back({std::move(spans), count});
  Send();
}

void SpanExporter::Send() {
  if (is_sending_ || waiting_.empty() || retry_->active() || !delivery_->ready()) return;
  while (!waiting_.empty()) {
    Batch& next = waiting_.front();
    if (!flying_.spans.empty() && flying_.spans.size() + next.spans.size() > kMaxOfARequest) break;
    waiting_bytes_ -= next.spans.size();
    flying_.spans += next.spans;
    flying_.count += next.count;
    waiting_.pop_front();
  }
  is_sending_ = true;
  delivery_->Send(options_.encode(options_.resource, flying_.spans),
                  [this](DeliveryResult result, loop::Duration wait) { OnResult(result, wait); });
}

void SpanExporter::OnResult(DeliveryResult result, loop::Duration wait) {
  is_sending_ = false;
  if (result == DeliveryResult::kLater) {
    PutBack();
    return Retry(wait);
  }
  backoff_ = kFirstBackoff;
  if (result == DeliveryResult::kAccepted) {
    sent_.Add(flying_.count);
  } else {
    Drop(refused_, flying_.count);
  }
  flying_ = {};
  Send();
}

// Jittered, so that the sidecars of a mesh do not come all at once.
void SpanExporter::Retry(loop::Duration wait) {
  const loop::Duration half = backoff_ / 2;
  const auto jitter = loop_.random().Below(static_cast<uint64_t>(half.count()) + 1);
  retry_->Start(std::max(wait, half + loop::Duration(static_cast<int64_t>(jitter))));
  backoff_ = std::min(backoff_ * 2, kLastBackoff);
}

void SpanExporter::PutBack() {
  waiting_bytes_ += flying_.spans.size();
  waiting_.push_front(std::move(flying_));
  flying_ = {};
}

}  // namespace tulle::telemetry
