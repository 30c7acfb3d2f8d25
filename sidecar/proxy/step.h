#pragma once

#include <cstddef>
#include <optional>

#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/http/head.h"
#include "net/loop/loop.h"

namespace tulle::proxy {

// A body that is made here and not received: the text of a local reply, later a cached response.
// Lives in the call's arena, so it is not destroyed.
class BodySource {
 public:
  // Appends to `out` what comes next, about `most` bytes. True: that was the end.
  virtual bool Read(Buffer& out, size_t most) = 0;

 protected:
  ~BodySource() = default;
};

// What Tulle answers by itself: a failure, a redirect, a direct response, a refusal by policy, an
// injected fault. Lives in the call's arena; answer.h makes them, and they all go the same way:
// through the response phases (response.h).
struct Answer {
  http::Head* head;            // status and the headers that belong to this answer alone
  BodySource* body = nullptr;  // null: none
  size_t body_size = 0;
  std::string_view message = {};  // for gRPC callers, in place of the body
  Failure failure = {};           // kNone: not an error
  int grpc_status = -1;           // -1: follows from the status
};

// What a phase answers: go on with the next phase, wait for an event, wait for a time, or send an
// answer.
class [[nodiscard]] Step {
 public:
  enum class Kind : uint8_t { kContinue, kPause, kDelay, kAnswer };

  static constexpr Step Continue() { return Step(Kind::kContinue); }
  // An event goes on with the next phase, or with another one.
  static constexpr Step Pause() { return Step(Kind::kPause); }
  // The next phase follows after this time, unless the request ends before.
  static constexpr Step Delay(loop::Duration time) { return Step(time); }
  static constexpr Step Reply(Answer& answer) { return Step(answer); }

  constexpr Kind kind() const { return kind_; }
  constexpr Answer& answer() const { return *answer_; }
  constexpr loop::Duration delay() const { return delay_; }

 private:
  constexpr explicit Step(Kind kind) : kind_(kind), answer_(nullptr) {}
  constexpr explicit Step(loop::Duration time) : kind_(Kind::kDelay), delay_(time) {}
  constexpr explicit Step(Answer& answer) : kind_(Kind::kAnswer), answer_(&answer) {}

  Kind kind_;
  union {
    Answer* answer_;
    loop::Duration delay_;
  };
};
static_assert(sizeof(Step) == 16);  // returned in registers

}  // namespace tulle::proxy
