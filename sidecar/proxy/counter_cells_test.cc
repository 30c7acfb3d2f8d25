#include "sidecar/proxy/counter_cells.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include "telemetry/families.h"

namespace {

uint64_t allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace tulle::proxy {
namespace {

// Longer than what a string holds without memory of its own.
constexpr std::string_view kPolicy = "AuthorizationPolicy/shop/only-the-web-may-call";
constexpr std::string_view kService = "cart.shop.svc.cluster.local";

uint64_t Total(const telemetry::Registry& registry) {
  const telemetry::Registry* const all[] = {&registry};
  uint64_t total = 0;
  for (const telemetry::FamilySamples& family : telemetry::Collect(all))
    for (const telemetry::Sample& sample : family.samples) total += sample.count;
  return total;
}

TEST(CounterCells, OnlyTheFirstOfAKindAsksTheRegistry) {
  telemetry::Registry registry;
  CounterCells<2> denied(registry, telemetry::kDenied);
  denied[{kPolicy, kService}].Add();
  const uint64_t before = allocations;
  for (int i = 0; i < 1000; ++i) denied[{kPolicy, kService}].Add();
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(Total(registry), 1001u);
}

TEST(CounterCells, LabelsAreToldApart) {
  telemetry::Registry registry;
  CounterCells<2> denied(registry, telemetry::kDenied);
  telemetry::Counter& one = denied[{"ab", "c"}];
  EXPECT_NE(&one, (&denied[{"a", "bc"}]));
  EXPECT_EQ(&one, (&denied[{"ab", "c"}]));
  const std::array<std::string_view, 2> labels{"ab", "c"};
  EXPECT_EQ(&one, &registry.CounterRow(telemetry::kDenied, labels));
}

// What is beyond the budget of a family is counted in its row for others.
TEST(CounterCells, AFloodOfLabelsIsCounted) {
  constexpr size_t kMany = telemetry::Registry::kRowsPerFamily + 100;
  telemetry::Registry registry;
  CounterCells<1> retries(registry, telemetry::kRetries);
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < kMany; ++i) retries[{std::to_string(i)}].Add();
  EXPECT_EQ(Total(registry), 2 * kMany);
}

TEST(CounterCells, DroppedOnesAreLookedUpAgain) {
  telemetry::Registry registry;
  CounterCells<1> retries(registry, telemetry::kRetries);
  retries[{kService}].Add();
  telemetry::Registry* const all[] = {&registry};
  // Seen, then idle for a sweep.
  telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), 1, 1);
  telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), 2, 1);
  ASSERT_TRUE(telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), 3, 1) ||
              Total(registry) == 0);
  retries.Drop();
  registry.FreeRetired();
  retries[{kService}].Add();
  EXPECT_EQ(Total(registry), 1u);
}

}  // namespace
}  // namespace tulle::proxy
