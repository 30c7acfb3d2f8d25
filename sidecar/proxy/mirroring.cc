#include "sidecar/proxy/mirroring.h"

#include <utility>

#include "sidecar/proxy/call.h"
#include "sidecar/proxy/mirror.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {
namespace {

constexpr size_t kMostMirrors = 2;

// Passes the body on unchanged, and shares it with the mirrors that still take it.
class MirrorStage final : public BodyStage {
 public:
  ~MirrorStage() override {
    for (Mirror* mirror : mirrors_) {
      if (mirror != nullptr) mirror->Leave();
    }
  }
  Mirror** slot(size_t i) { return &mirrors_[i]; }
  bool empty() const { return mirrors_[0] == nullptr && mirrors_[1] == nullptr; }

  // A mirror that takes no more clears its slot, also during a call.
  Next OnBody(Buffer& in, bool end, Buffer& out) override {
    const bool trailers_follow = end && trailers_ != nullptr;
    for (Mirror* const& mirror : mirrors_) {
      if (mirror != nullptr) mirror->Send(in, end && !trailers_follow);
      if (mirror != nullptr && trailers_follow) mirror->SendTrailers(*trailers_);
    }
    out.Append(in);
    return Next::kMore;
  }
  void OnTrailers(http::HeaderMap& trailers) override { trailers_ = &trailers; }

 private:
  Mirror* mirrors_[kMostMirrors] = {};  // each cleared by the mirror when it takes no more
  http::HeaderMap* trailers_ = nullptr;
};

}  // namespace

std::unique_ptr<BodyStage> StartMirrors(Call& call, bool end) {
  const http::Head& head = *call.request.head;
  Mirrors* mirrors = call.services.mirrors;
  // After an upgrade comes a conversation, which cannot be mirrored.
  if (head.upgrade_wanted || mirrors == nullptr) return nullptr;
  const route::MirrorSpec* chosen[kMostMirrors];
  size_t count = 0;
  loop::Random& random = call.services.loop.random();
  for (const route::MirrorSpec& spec : call.chosen.forward()->mirrors) {
    const auto& fraction = spec.fraction;
    if (fraction && random.Below(fraction->denominator) >= fraction->numerator) continue;
    chosen[count++] = &spec;
    if (count == kMostMirrors) break;
  }
  if (count == 0) return nullptr;
  const auto start = [&](MirrorStage& stage) {
    for (size_t i = 0; i < count; ++i) mirrors->Start(head, *chosen[i], end, stage.slot(i));
  };
  if (end) {
    MirrorStage nothing_follows;
    start(nothing_follows);
    return nullptr;
  }
  auto stage = std::make_unique<MirrorStage>();
  start(*stage);
  if (stage->empty()) stage.reset();
  return stage;
}

}  // namespace tulle::proxy
