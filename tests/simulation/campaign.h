#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tulle::simulation {

// Plays the world of a seed: two sidecars and the control plane, callers and an origin; weather,
// habits, policy and what an operator does meanwhile are all drawn from the seed. Returns what
// broke a rule, in words; nothing if all of them held:
//
//   every request ends once, with the answer to its own question;
//   without a policy that says so nothing that is not safe to repeat is processed twice;
//   limits are never exceeded, and everything that was counted is given back;
//   while a breaker is open only single trials come through, and it closes when the origin heals;
//   sidecars talk by mTLS only; their memory is bounded;
//   what was pushed last is in force everywhere, and nothing older again.
std::vector<std::string> PlayCampaign(uint64_t seed);

}  // namespace tulle::simulation
