#pragma once

#include "net/loop/sim/simulation.h"
#include "tests/simulation/mesh.h"

namespace tulle::simulation {

// Policies of service `post`: its answers carry a header x-marker.
extern const char kMarkerRoute[];

// What callers saw of a run.
struct MeshTally {
  bool joined = false;
  sim::Simulation::Outcome outcome = sim::Simulation::Outcome::kIdle;
  int answered = 0;
  int ok = 0;
  int lost = 0;
  int wrong = 0;
  int marked = 0;  // answers that the pushed route has changed
  int resets = 0;  // connections
  bool rotated = false;
};

// Four callers ask so often each, and nothing else happens.
MeshTally AskMesh(Mesh& mesh, int requests_each);

// Four callers ask so often each while an operator works: a policy with retries from the start; a
// route that adds a header, pushed at a quarter of the requests; the root's rotation begun at half
// of them; a reset of the connections between the sidecars at three quarters. Ends when all are
// answered and the rotation is over.
MeshTally PlayMesh(Mesh& mesh, int requests_each);

}  // namespace tulle::simulation
