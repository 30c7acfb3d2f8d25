#pragma once

#include <uv.h>

#include <memory>

#include "net/loop/loop.h"

namespace tulle::loop {

// Loop::Resolve by getaddrinfo on libuv's threads; IP literals without them.
std::unique_ptr<Loop::Resolution> ResolveWithUv(uv_loop_t& uv, Loop& loop, std::string_view host,
                                                uint16_t port, Loop::Resolved done);

}  // namespace tulle::loop
