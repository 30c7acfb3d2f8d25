#pragma once

#include <memory>

#include "net/loop/loop.h"

namespace tulle::loop {

// A loop on libuv. Whatever was made by it (sockets, timers, resolutions, buffers of its slab) goes
// before it does. Its destructor runs what was deferred, drops posted tasks that did not run, and
// waits for host name look-ups that have begun.
// The loop's slab draws from `memory`, which outlives it.
std::unique_ptr<Loop> NewUvLoop(MemorySource& memory = SystemMemory());

// From now on memory that libuv asks for in vain ends the process with a message: it would abort
// without one in places. Before the first loop is made; for main().
void EndOnFailedUvMemory();

}  // namespace tulle::loop
