// Copies of the request to other clusters, beside the first attempt.

#include "sidecar/proxy/exchange.h"
#include "sidecar/proxy/mirror.h"
#include "sidecar/proxy/services.h"

namespace tulle::proxy {

void Exchange::StartMirrors(bool end) {
  const std::vector<route::MirrorSpec>& mirrors = route_->forward()->mirrors;
  // What follows an upgrade is a conversation: a copy of its beginning is of no use.
  if (request_->upgrade_wanted) return;
  if (mirrors.empty() || services_.mirrors == nullptr || record_.attempts > 1) return;
  loop::Random& random = services_.loop.random();
  for (size_t i = 0; i < mirrors.size() && i < kMostMirrors; ++i) {
    const auto& fraction = mirrors[i].fraction;
    if (fraction && random.Below(fraction->denominator) >= fraction->numerator) continue;
    services_.mirrors->Start(*request_, mirrors[i], end, &mirrors_[i]);
  }
}

void Exchange::FeedMirrors(const Buffer& data, bool end) {
  for (Mirror* mirror : mirrors_) {
    if (mirror != nullptr) mirror->Send(data, end);
  }
}

void Exchange::EndMirrors() {
  for (Mirror*& mirror : mirrors_) {
    if (mirror == nullptr) continue;
    if (request_ended_ && request_trailers_ != nullptr && phase_ != Phase::kDone) {
      mirror->SendTrailers(*request_trailers_);
    }
    if (mirror != nullptr) mirror->Leave();
    mirror = nullptr;
  }
}

}  // namespace tulle::proxy
