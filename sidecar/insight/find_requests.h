#pragma once

#include <utility>

#include "sidecar/insight/answerer.h"
#include "sidecar/recorder/flight_recorder.h"

namespace tulle::sidecar {

// Answers Question.find: requests that have ended, from the flight recorder, the newest first.
class FindRequests final : public Answerer {
 public:
  // `recorder` outlives this.
  FindRequests(const recorder::FlightRecorder& recorder, OwnIdentity own)
      : recorder_(recorder), own_(std::move(own)) {}

  void OnQuestion(const insight::v1::Question& question, Replies& replies) override;

 private:
  const recorder::FlightRecorder& recorder_;
  const OwnIdentity own_;
};

}  // namespace tulle::sidecar
