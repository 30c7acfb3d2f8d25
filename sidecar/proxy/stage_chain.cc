#include "sidecar/proxy/stage_chain.h"

#include <algorithm>
#include <utility>

namespace tulle::proxy {

void StageChain::Add(std::unique_ptr<BodyStage> stage, Slab& slab) {
  links_.push_back({std::move(stage), Buffer(slab)});
}

bool StageChain::Run(Buffer& data, bool end, http::HeaderMap* trailers) {
  for (Link& link : links_) {
    link.waiting.Append(data);  // `data` is empty now, and becomes what this stage passes on
    link.last = link.last || end;
    end = link.done;
    if (link.paused || link.done) continue;
    if (link.waiting.empty() && !link.last) continue;
    if (link.last && !std::exchange(link.told_last, true) && trailers != nullptr)
      link.stage->OnTrailers(*trailers);
    link.paused = link.stage->OnBody(link.waiting, link.last, data) == BodyStage::Next::kPause;
    end = link.done = link.last && !link.paused && link.waiting.empty();
  }
  return end;
}

void StageChain::Resume() {
  for (Link& link : links_) link.paused = false;
}

bool StageChain::paused() const {
  return std::any_of(links_.begin(), links_.end(), [](const Link& link) { return link.paused; });
}

size_t StageChain::held_bytes() const {
  size_t sum = 0;
  for (const Link& link : links_) sum += link.waiting.footprint();
  return sum;
}

}  // namespace tulle::proxy
