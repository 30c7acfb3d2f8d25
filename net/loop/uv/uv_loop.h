#pragma once

#include <memory>

#include "net/loop/loop.h"

namespace tulle::loop {

// A loop on libuv. Destroy everything created by it (sockets, timers, resolutions, buffers of its
// slab) first. Its destructor runs deferred deletions, drops posted tasks that have not run, and
// waits for host name lookups that have started. The loop's slab allocates from `memory`, which
// must outlive it.
std::unique_ptr<Loop> NewUvLoop(MemorySource& memory = SystemMemory());

// From now on a failed allocation in libuv ends the process with a message; libuv would abort
// without one in places. Call from main() before the first loop is created.
void ExitOnFailedUvAllocation();

}  // namespace tulle::loop
