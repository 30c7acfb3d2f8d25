#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "net/loop/loop.h"

namespace tulle::telemetry {

// What a collector made of a batch.
enum class DeliveryResult : uint8_t {
  kAccepted,  // but for `rejected`
  kRefused,   // for good: sending it again would not help
  kLater,     // not now, or it is unknown whether it arrived
};

struct DeliveryOutcome {
  DeliveryResult result = DeliveryResult::kLater;
  loop::Duration wait{0};  // how long the collector asks to be left alone; 0: it does not say
  uint64_t rejected = 0;   // records of an accepted batch that the collector did not take
  std::string message{};   // the collector's own words on what it did not take
};

// The way to one collector. Owner: BatchExporter. Thread: the loop's.
//
//   Start (Send Done)*      one batch at a time; `done` is never called from inside Send.
class Delivery {
 public:
  using Done = absl::AnyInvocable<void(DeliveryOutcome outcome)>;

  virtual ~Delivery() = default;
  // `on_ready`: Send may be called where it could not before.
  virtual void Start(absl::AnyInvocable<void()> on_ready) = 0;
  virtual bool ready() const = 0;
  // REQUIRES: ready(), and no batch is under way. Destroying the delivery ends it without `done`.
  virtual void Send(std::string body, Done done) = 0;
  // The collector's certificate or our own has changed.
  virtual void Reconnect() = 0;
};

}  // namespace tulle::telemetry
