#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/insight/answerer.h"
#include "sidecar/recorder/flight_recorder.h"

namespace tulle::sidecar {

// Answers Question.tap: requests that end from now on. Looks into the flight recorder a few times a
// second while there is a tap, so that requests do nothing for it. All taps together send a bounded
// number of records a second; the others that match, and those that the ring has overwritten
// meanwhile, are counted.
class RequestTaps final : public Answerer {
 public:
  static constexpr size_t kMostTaps = 8;
  static constexpr uint32_t kRecordsPerSecond = 100;
  static constexpr loop::Duration kPause = std::chrono::milliseconds(200);
  static constexpr loop::Duration kLongest = std::chrono::minutes(1);

  // `loop` and `recorder` outlive this.
  RequestTaps(loop::Loop& loop, const recorder::FlightRecorder& recorder, OwnIdentity own);
  ~RequestTaps() override;

  void OnQuestion(const insight::v1::Question& question, Replies& replies) override;
  void OnEnd(uint32_t question) override;
  void OnStreamEnd() override;

 private:
  struct Tap;

  void Look();
  void Look(Tap& tap);
  bool IsOver(const Tap& tap) const;
  void End(const Tap& tap);

  loop::Loop& loop_;
  const recorder::FlightRecorder& recorder_;
  const OwnIdentity own_;
  std::unique_ptr<loop::Timer> timer_;
  std::vector<std::unique_ptr<Tap>> taps_;
  uint32_t room_ = 0;  // records that may be sent now
};

}  // namespace tulle::sidecar
