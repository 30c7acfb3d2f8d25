#pragma once

#include "sidecar/config/snapshot.h"

namespace tulle::config {

// Fills snapshot.rings for each cluster that balances by ring hash and whose endpoints are known.
// Building a ring is expensive: it is shared with `before` (null: none) while its cluster and its
// endpoints are the same objects. Thread: main.
void AddRings(const Snapshot* before, Snapshot& snapshot);

}  // namespace tulle::config
