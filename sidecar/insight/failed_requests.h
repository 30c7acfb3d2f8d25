#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sidecar/insight/answerer.h"
#include "sidecar/recorder/flight_recorder.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// Failed requests for the reports, each once, with what was decided about them. Owner:
// MeshConfiguration. Thread: main.
class FailedRequests {
 public:
  // Of one report; the newest ones.
  static constexpr size_t kMost = 20;

  // `recorder` outlives this.
  FailedRequests(const recorder::FlightRecorder& recorder, OwnIdentity own)
      : recorder_(recorder), own_(std::move(own)), told_(recorder.workers().size()) {}

  // Adds those since the last call. False: there are none.
  bool AddTo(insight::v1::FromSidecar& report);

 private:
  struct Told {
    uint64_t failed = 0;
    uint64_t explained = 0;  // of all requests, failed or not
  };
  struct Failed {
    const recorder::Ring* ring;
    std::unique_ptr<const recorder::Explanation> explanation;
  };
  void TakeNew(const recorder::Ring& ring, uint64_t* explained, std::vector<Failed>* all);

  const recorder::FlightRecorder& recorder_;
  const OwnIdentity own_;
  std::vector<Told> told_;  // by worker
};

}  // namespace tulle::sidecar
