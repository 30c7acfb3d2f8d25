#pragma once

#include <memory>

#include "sidecar/proxy/body_stage.h"

namespace tulle::proxy {

// Starts the copies that the route asks for (mirror.h), once the request's head has been sent.
// `end`: there is no body. Returns the stage that feeds the body to them; null: nothing to feed.
// Source: RouteAction.request_mirror_policies.
std::unique_ptr<BodyStage> StartMirrors(Call& call, bool end);

}  // namespace tulle::proxy
