#pragma once

#include <utility>

#include "sidecar/policy/fault.h"

namespace tulle::proxy {

// An injected fault in progress: counted among the active ones until Leave. Owner: Call.
class HeldFault {
 public:
  HeldFault() = default;
  ~HeldFault() { Leave(); }
  HeldFault(const HeldFault&) = delete;
  HeldFault& operator=(const HeldFault&) = delete;

  // False: as many faults are active as may be. True at once if it is held already.
  bool TryEnter(policy::FaultInjection& fault) {
    if (held_ == &fault) return true;
    if (!fault.TryEnter()) return false;
    Leave();
    held_ = &fault;
    return true;
  }
  void Leave() {
    if (policy::FaultInjection* fault = std::exchange(held_, nullptr)) fault->Leave();
  }

 private:
  policy::FaultInjection* held_ = nullptr;
};

}  // namespace tulle::proxy
