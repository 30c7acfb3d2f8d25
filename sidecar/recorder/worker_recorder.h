#pragma once

#include <cstdint>

#include "sidecar/recorder/header_watch.h"
#include "sidecar/recorder/ring.h"

namespace tulle::recorder {

// What one worker records. Owner: FlightRecorder.
struct WorkerRecorder {
  explicit WorkerRecorder(uint32_t worker) : ring(worker) {}

  Ring ring;
  HeaderWatch headers;
};

}  // namespace tulle::recorder
