#include "tests/simulation/campaign.h"

#include <gtest/gtest.h>

namespace tulle::simulation {
namespace {

#ifdef NDEBUG
constexpr uint64_t kSeeds = 200;
#else
constexpr uint64_t kSeeds = 12;  // sanitizers are slow
#endif

TEST(Campaign, RulesHoldInEveryWorld) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const std::string& finding : PlayCampaign(seed))
      ADD_FAILURE() << "seed " << seed << ": " << finding;
  }
}

}  // namespace
}  // namespace tulle::simulation
