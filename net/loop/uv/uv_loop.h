#pragma once

#include <memory>

#include "net/loop/loop.h"

namespace tulle::loop {

// A loop on libuv. Whatever was made by it (sockets, timers, resolutions, buffers of its slab) goes
// before it does. Its destructor runs what was deferred, drops posted tasks that did not run, and
// waits for host name look-ups that have begun.
std::unique_ptr<Loop> NewUvLoop();

}  // namespace tulle::loop
