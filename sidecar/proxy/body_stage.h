#pragma once

#include <memory>

#include "net/base/buffer.h"
#include "net/http/header_map.h"

namespace tulle::proxy {

class BodyFlow;
struct Call;

// Something that a body passes through on its way: it may change, observe, or hold it. One object
// for one message. Owner: the flow. Thread: the worker's.
class BodyStage {
 public:
  enum class Next : uint8_t {
    kMore,   // what is left in `in` waits for more of the body
    kPause,  // not called again before BodyFlow::Resume
  };

  virtual ~BodyStage() = default;
  // Takes what it can from `in` and appends what goes on to `out`. `end`: nothing follows `in`; the
  // stage ends the body by leaving nothing in it.
  virtual Next OnBody(Buffer& in, bool end, Buffer& out) = 0;
  // Before the first OnBody that has `end`, where the message has trailers; they stay valid.
  virtual void OnTrailers(http::HeaderMap&) {}
};

// Chooses the stages of each message by its call's chain and route, which is to say by
// configuration. Owner: Worker. Thread: the worker's.
class BodyStages {
 public:
  virtual ~BodyStages() = default;
  // The head goes out next, and may be changed: a stage that changes the length of a body must
  // remove Content-Length. Once for each request, whatever the number of attempts; also for a
  // request to upgrade, whose stages end with an upgrade.
  virtual void OnRequest(Call& call, BodyFlow& flow) = 0;
  virtual void OnResponse(Call& call, BodyFlow& flow) = 0;
};

}  // namespace tulle::proxy
