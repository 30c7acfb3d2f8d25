#include "telemetry/export/batch_exporter.h"

#include <algorithm>
#include <utility>

namespace tulle::telemetry {
namespace {

constexpr size_t kMaxOfARequest = 256 * 1024;
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::seconds(30);
constexpr loop::Duration kBetweenTellings = std::chrono::minutes(1);

Counter& Dropped(const FamilySpec& family, std::string_view reason, Registry& registry) {
  return registry.CounterRow(family, {&reason, 1});
}

}  // namespace

BatchExporter::BatchExporter(loop::Loop& loop, std::unique_ptr<Delivery> delivery, Options options,
                             Registry& registry)
    : loop_(loop),
      registry_(registry),
      options_(std::move(options)),
      sent_(registry.CounterRow(options_.sent)),
      queue_full_(Dropped(options_.dropped, "queue_full", registry)),
      refused_(Dropped(options_.dropped, "refused", registry)),
      rejected_(Dropped(options_.dropped, "rejected", registry)),
      backoff_(kFirstBackoff),
      retry_(loop.NewTimer([this] { Send(); })),
      delivery_(std::move(delivery)) {
  delivery_->Start([this] { Send(); });
}

void BatchExporter::Add(std::string records, uint64_t count, bool errors) {
  if (errors) MakeRoom(records.size());
  if (!HasRoom(records.size())) {
    if (!errors) return queue_full_.Add(count);
    return Dropped(options_.dropped, "queue_full_errors", registry_).Add(count);
  }
  waiting_bytes_ += records.size();
  Batch batch{std::move(records), count, errors};
  QueueOf(batch).push_back(std::move(batch));
  Send();
}

void BatchExporter::MakeRoom(size_t bytes) {
  while (!HasRoom(bytes) && !ordinary_.empty()) {
    waiting_bytes_ -= ordinary_.front().records.size();
    queue_full_.Add(ordinary_.front().count);
    ordinary_.pop_front();
  }
}

void BatchExporter::Send() {
  Queue& queue = errors_.empty() ? ordinary_ : errors_;
  if (is_sending_ || queue.empty() || retry_->active() || !delivery_->ready()) return;
  Load(queue);
  is_sending_ = true;
  delivery_->Send(options_.encode(options_.resource, flying_.records),
                  [this](const DeliveryOutcome& outcome) { OnResult(outcome); });
}

// As many as one request takes.
void BatchExporter::Load(Queue& queue) {
  flying_.errors = &queue == &errors_;
  while (!queue.empty()) {
    Batch& next = queue.front();
    if (!flying_.records.empty() && flying_.records.size() + next.records.size() > kMaxOfARequest)
      break;
    waiting_bytes_ -= next.records.size();
    flying_.records += next.records;
    flying_.count += next.count;
    queue.pop_front();
  }
}

void BatchExporter::OnResult(const DeliveryOutcome& outcome) {
  is_sending_ = false;
  if (outcome.result == DeliveryResult::kLater) {
    PutBack();
    return Retry(outcome.wait);
  }
  backoff_ = kFirstBackoff;
  const bool accepted = outcome.result == DeliveryResult::kAccepted;
  const uint64_t lost = accepted ? std::min(outcome.rejected, flying_.count) : flying_.count;
  sent_.Add(flying_.count - lost);
  (accepted ? rejected_ : refused_).Add(lost);
  if (lost > 0) Tell(lost, outcome.message);
  flying_ = {};
  Send();
}

void BatchExporter::Tell(uint64_t count, const std::string& why) {
  if (options_.on_refused == nullptr || loop_.Now() < may_tell_at_) return;
  may_tell_at_ = loop_.Now() + kBetweenTellings;
  options_.on_refused(count, why);
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
  QueueOf(flying_).push_front(std::move(flying_));
  flying_ = {};
}

}  // namespace tulle::telemetry
