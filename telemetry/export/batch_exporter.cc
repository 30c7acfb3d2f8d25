#include "telemetry/export/batch_exporter.h"

#include <algorithm>
#include <utility>

namespace tulle::telemetry {
namespace {

constexpr size_t kMaxOfARequest = 256 * 1024;
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::seconds(30);

Counter& Dropped(const FamilySpec& family, std::string_view reason, Registry& registry) {
  return registry.CounterRow(family, {&reason, 1});
}

}  // namespace

BatchExporter::BatchExporter(loop::Loop& loop, std::unique_ptr<Delivery> delivery, Options options,
                             Registry& registry)
    : loop_(loop),
      options_(std::move(options)),
      sent_(registry.CounterRow(options_.sent)),
      queue_full_(Dropped(options_.dropped, "queue_full", registry)),
      refused_(Dropped(options_.dropped, "refused", registry)),
      backoff_(kFirstBackoff),
      retry_(loop.NewTimer([this] { Send(); })),
      delivery_(std::move(delivery)) {
  delivery_->Start([this] { Send(); });
}

void BatchExporter::Add(std::string records, uint64_t count) {
  if (waiting_bytes_ + flying_.records.size() + records.size() > options_.most_waiting)
    return Drop(queue_full_, count);
  waiting_bytes_ += records.size();
  waiting_.push_back({std::move(records), count});
  Send();
}

void BatchExporter::Send() {
  if (is_sending_ || waiting_.empty() || retry_->active() || !delivery_->ready()) return;
  while (!waiting_.empty()) {
    Batch& next = waiting_.front();
    if (!flying_.records.empty() && flying_.records.size() + next.records.size() > kMaxOfARequest)
      break;
    waiting_bytes_ -= next.records.size();
    flying_.records += next.records;
    flying_.count += next.count;
    waiting_.pop_front();
  }
  is_sending_ = true;
  delivery_->Send(options_.encode(options_.resource, flying_.records),
                  [this](DeliveryResult result, loop::Duration wait) { OnResult(result, wait); });
}

void BatchExporter::OnResult(DeliveryResult result, loop::Duration wait) {
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
void BatchExporter::Retry(loop::Duration wait) {
  const loop::Duration half = backoff_ / 2;
  const auto jitter = loop_.random().Below(static_cast<uint64_t>(half.count()) + 1);
  retry_->Start(std::max(wait, half + loop::Duration(static_cast<int64_t>(jitter))));
  backoff_ = std::min(backoff_ * 2, kLastBackoff);
}

void BatchExporter::PutBack() {
  waiting_bytes_ += flying_.records.size();
  waiting_.push_front(std::move(flying_));
  flying_ = {};
}

}  // namespace tulle::telemetry
