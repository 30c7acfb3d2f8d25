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

  Next OnBody(Buffer& in, bool end, Buffer& out) override {
    if (!had_trailers_) {
      for (Mirror* mirror : mirrors_) {
        if (mirror != nullptr) mirror->Send(in, end);
      }
    }
    out.Append(in);
    return Next::kMore;
  }
  void OnTrailers(http::HeaderMap& trailers) override {
    had_trailers_ = true;
    for (Mirror* mirror : mirrors_) {
      if (mirror != nullptr) mirror->SendTrailers(trailers);
    }
  }

 private:
  Mirror* mirrors_[kMostMirrors] = {};  // each cleared by the mirror when it takes no more
  bool had_trailers_ = false;
};

}  // namespace

std::unique_ptr<BodyStage> StartMirrors(Call& call, bool end) {
  const http::Head& head = *call.request.head;
  Mirrors* mirrors = call.services.mirrors;
  // After an upgrade comes a conversation, which cannot be mirrored.
  if (head.upgrade_wanted || mirrors == nullptr) return nullptr;
  auto stage = std::make_unique<MirrorStage>();
  loop::Random& random = call.services.loop.random();
  const std::vector<route::MirrorSpec>& specs = call.chosen.forward()->mirrors;
  for (size_t i = 0; i < specs.size() && i < kMostMirrors; ++i) {
    const auto& fraction = specs[i].fraction;
    if (fraction && random.Below(fraction->denominator) >= fraction->numerator) continue;
    mirrors->Start(head, specs[i], end, stage->slot(i));
  }
  if (end || stage->empty()) stage.reset();
  return stage;
}

}  // namespace tulle::proxy
