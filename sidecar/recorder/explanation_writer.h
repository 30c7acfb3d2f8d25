#pragma once

#include <cstddef>
#include <cstdint>

#include "sidecar/recorder/explanation.h"

namespace tulle::recorder {

// Writes one explanation into its place in a ring, without allocation, lock or system call.
//
// Call order: Add for each decision, what matters most first, since the last ones may find no room;
// the destructor ends the explanation. Lives on the stack. Thread: the ring's writer.
class ExplanationWriter {
 public:
  // `number` is written into the words at `place`. `record`: the words of the request's record,
  // which has been written.
  ExplanationWriter(uint64_t* place, uint64_t number, const uint64_t* record);
  ~ExplanationWriter();
  ExplanationWriter(const ExplanationWriter&) = delete;
  ExplanationWriter& operator=(const ExplanationWriter&) = delete;

  // Long texts are cut.
  void Add(const Decision& decision);
  // `count` more than could be named.
  void LeaveOut(size_t count) { left_out_ += static_cast<uint32_t>(count); }

 private:
  static constexpr size_t kMostSubject = 160;
  static constexpr size_t kMostReason = 96;

  uint64_t* const place_;
  uint64_t* at_;
  const uint64_t sequence_;
  uint32_t kept_ = 0;
  uint32_t left_out_ = 0;
};

}  // namespace tulle::recorder
