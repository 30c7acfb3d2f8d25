#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tulle::simulation {

// Runs the simulated world of a seed: two sidecars and the control plane, callers and an origin.
// Network conditions, the origin's behaviour, policies and the operator's actions all follow from
// the seed. Returns a description of each broken rule; empty if all held:
//
//   every request ends once, with the answer to its own question;
//   without a policy that says so nothing that is not safe to repeat is processed twice;
//   limits are never exceeded, and everything that was counted is given back;
//   while a breaker is open only single trials come through, and it closes when the origin heals;
//   sidecars talk by mTLS only; their memory is bounded;
//   what was pushed last is in force everywhere, and nothing older again.
std::vector<std::string> PlayCampaign(uint64_t seed);

}  // namespace tulle::simulation
