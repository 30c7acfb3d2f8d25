#pragma once

#include <memory>
#include <vector>

#include "net/base/buffer.h"
#include "sidecar/proxy/body_stage.h"

namespace tulle::proxy {

// The stages of one body, in order, each with what it has not taken yet. Owner: BodyFlow.
class StageChain {
 public:
  void Add(std::unique_ptr<BodyStage> stage, Slab& slab);
  // Passes `data` through all stages and replaces it by what comes out. `end`: nothing follows but
  // the trailers; null: there are none. True: neither does anything follow what came out.
  bool Run(Buffer& data, bool end, http::HeaderMap* trailers);
  // The stages that paused are called again by the next Run.
  void Resume();
  bool paused() const;
  size_t held_bytes() const;

 private:
  struct Link {
    std::unique_ptr<BodyStage> stage;
    Buffer waiting;
    bool last = false;  // nothing follows what waits
    bool told_last = false;
    bool paused = false;
    bool done = false;  // it has passed on the end
  };

  std::vector<Link> links_;
};

}  // namespace tulle::proxy
