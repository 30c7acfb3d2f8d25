// Runs simulated worlds and reports which broke a rule:  campaign_main FIRST COUNT
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/simulation/campaign.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);  // used by the worlds to report failures
  if (argc != 3) {
    std::fprintf(stderr, "usage: campaign_main FIRST COUNT\n");
    return 2;
  }
  const uint64_t first = std::strtoull(argv[1], nullptr, 10);
  const uint64_t count = std::strtoull(argv[2], nullptr, 10);
  uint64_t broken = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto findings = tulle::simulation::PlayCampaign(first + i);
    broken += findings.empty() ? 0 : 1;
    for (const std::string& finding : findings)
      std::printf("seed %lu: %s\n", first + i, finding.c_str());
    if ((i + 1) % 100 == 0)
      std::fprintf(stderr, "%lu of %lu played, %lu broke a rule\n", i + 1, count, broken);
  }
  std::printf("%lu worlds played, %lu broke a rule\n", count, broken);
  return broken == 0 ? 0 : 1;
}
