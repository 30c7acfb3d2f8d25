#pragma once

#include <nghttp2/nghttp2.h>

#include "net/base/slab.h"

namespace tulle::http2 {

// nghttp2's allocator, drawing from the slab of the connection's worker. The slab outlives every
// session made with it. Thread: the slab's.
nghttp2_mem SlabMemory(Slab& slab);

}  // namespace tulle::http2
