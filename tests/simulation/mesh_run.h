#pragma once

#include "net/loop/sim/simulation.h"
#include "tests/simulation/mesh.h"

namespace tulle::simulation {

// Policies of service `post`: its responses have a header x-marker.
extern const char kMarkerRoute[];

// What callers saw of a run.
struct MeshTally {
  bool joined = false;
  sim::Simulation::Outcome outcome = sim::Simulation::Outcome::kIdle;
  int answered = 0;
  int ok = 0;
  int lost = 0;
  int wrong = 0;
  int marked = 0;  // responses changed by the pushed route
  int resets = 0;  // connections
  bool rotated = false;
};

// Four callers send this many requests each, and nothing else happens.
MeshTally AskMesh(Mesh& mesh, int requests_each);

// Four callers send this many requests each while an operator works: a policy with retries from the
// start; a route that adds a header, pushed at a quarter of the requests; a root rotation that
// starts at half of them; a reset of the connections between the sidecars at three quarters. Ends
// when all requests are complete and the rotation is finished.
MeshTally PlayMesh(Mesh& mesh, int requests_each);

}  // namespace tulle::simulation
