#include "control-plane/registry/registry.h"

#include <gtest/gtest.h>

#include "control-plane/registry/lease_record.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::registry {
namespace {

using discovery::Health;
using discovery::Workload;

constexpr milliseconds kTtl{10000};

Workload MakeWorkload(const std::string& id) {
  Workload workload;
  workload.id = id;
  workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/" + id;
  workload.address = "192.0.2.1";
  workload.services = {{"default", "post"}};
  workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
  return workload;
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest()
      : registry_(MakeOptions(), [this] { return "lease-" + std::to_string(++leases_); }) {}

  static Registry::Options MakeOptions() {
    Registry::Options options;
    options.default_ttl = kTtl;
    options.grace = kTtl;
    return options;
  }

  Lease RegisterOrDie(const std::string& id) {
    const auto lease = registry_.Register(MakeWorkload(id), kTtl, now_);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return *lease;
  }

  // A second at a time, as the caller would.
  void Pass(milliseconds duration) {
    for (const milliseconds end = now_ + duration; now_ < end;) {
      now_ += milliseconds(1000);
      registry_.Advance(now_);
    }
  }

  absl::Status Beat(const Lease& lease, bool is_ready = true) {
    return registry_.Heartbeat(lease.id, lease.workload.spiffe_id, is_ready, now_).status();
  }

  Health HealthOf(const std::string& id) { return registry_.workloads().at(id).health; }

  int leases_ = 0;
  milliseconds now_{1000};
  Registry registry_;
};

TEST_F(RegistryTest, WhoIsStartingGetsNoTrafficBeforeItSaysThatItIsReady) {
  Workload workload = MakeWorkload("a");
  workload.health = Health::kUnhealthy;
  const auto lease = registry_.Register(workload, kTtl, now_);
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
  EXPECT_TRUE(Beat(*lease, false).ok());
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
  EXPECT_TRUE(Beat(*lease).ok());
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
}

TEST_F(RegistryTest, AMissedLeaseMakesUnhealthyThenRemoves) {
  const Lease lease = RegisterOrDie("a");
  Pass(kTtl - milliseconds(1000));
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
  Pass(milliseconds(1000));
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
  Pass(2 * kTtl - milliseconds(1000));
  EXPECT_EQ(registry_.size(), 1);
  Pass(milliseconds(1000));
  EXPECT_EQ(registry_.size(), 0);
  EXPECT_EQ(Beat(lease).code(), absl::StatusCode::kNotFound);
  const auto changes = registry_.TakeChanges();
  ASSERT_EQ(changes.size(), 3);
  EXPECT_EQ(changes[0].kind, Change::Kind::kPut);
  EXPECT_EQ(changes[1].kind, Change::Kind::kHealth);
  EXPECT_EQ(changes[2].kind, Change::Kind::kRemove);
}

TEST_F(RegistryTest, HeartbeatsKeepAndBringBack) {
  const Lease lease = RegisterOrDie("a");
  for (int i = 0; i < 10; ++i) {
    Pass(kTtl / 2);
    EXPECT_TRUE(Beat(lease).ok());
  }
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
  Pass(kTtl);
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
  EXPECT_TRUE(Beat(lease).ok());
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
  EXPECT_TRUE(Beat(lease, /*is_ready=*/false).ok());
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
}

TEST_F(RegistryTest, ALeaseObeysItsHolderAlone) {
  const Lease lease = RegisterOrDie("a");
  EXPECT_EQ(registry_.Heartbeat(lease.id, "spiffe://cluster.local/ns/default/sa/b", true, now_)
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_.Deregister(lease.id, "spiffe://cluster.local/ns/default/sa/b").code(),
            absl::StatusCode::kNotFound);
  Workload thief = MakeWorkload("a");
  thief.spiffe_id = "spiffe://cluster.local/ns/default/sa/b";
  EXPECT_EQ(registry_.Register(thief, kTtl, now_).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(registry_.Deregister(lease.id, lease.workload.spiffe_id).ok());
  EXPECT_EQ(registry_.size(), 0);
}

TEST_F(RegistryTest, RegisteringAgainReplacesTheLease) {
  const Lease first = RegisterOrDie("a");
  const Lease second = RegisterOrDie("a");
  EXPECT_EQ(registry_.size(), 1);
  EXPECT_FALSE(Beat(first).ok());
  EXPECT_TRUE(Beat(second).ok());
}

TEST_F(RegistryTest, TheLossOfManyAtOnceIsHeldAndCounted) {
  std::vector<Lease> leases;
  for (int i = 0; i < 100; ++i) leases.push_back(RegisterOrDie("w" + std::to_string(i)));
  // 80 of 100 fall silent.
  for (int i = 0; i < 20; ++i) {
    Pass(kTtl / 2);
    for (int j = 0; j < 20; ++j) EXPECT_TRUE(Beat(leases[j]).ok());
  }
  EXPECT_TRUE(registry_.is_holding());
  EXPECT_EQ(registry_.held(), 80);
  EXPECT_EQ(HealthOf("w99"), Health::kHealthy);
  // They come back: nothing has happened.
  for (const Lease& lease : leases) EXPECT_TRUE(Beat(lease).ok());
  Pass(milliseconds(1000));
  EXPECT_FALSE(registry_.is_holding());
  EXPECT_EQ(registry_.held(), 0);
}

TEST_F(RegistryTest, ALossThatTricklesInIsHeldToo) {
  std::vector<Lease> leases;
  for (int i = 0; i < 100; ++i) {
    now_ += milliseconds(50);  // so that they become overdue one after the other
    leases.push_back(RegisterOrDie("w" + std::to_string(i)));
  }
  Pass(2 * kTtl);
  size_t unhealthy = 0;
  for (const auto& [id, workload] : registry_.workloads()) {
    unhealthy += workload.health == Health::kUnhealthy ? 1 : 0;
  }
  EXPECT_LE(unhealthy, 15);
  EXPECT_TRUE(registry_.is_holding());
}

TEST_F(RegistryTest, AHoldEnds) {
  for (int i = 0; i < 100; ++i) RegisterOrDie("w" + std::to_string(i));
  Pass(Registry::Options().longest_hold + 2 * kTtl);
  EXPECT_EQ(registry_.size(), 0);
}

TEST_F(RegistryTest, ASmallMeshNoticesASingleDeath) {
  const Lease alive = RegisterOrDie("a");
  RegisterOrDie("b");
  for (int i = 0; i < 3; ++i) {
    Pass(kTtl / 2);
    EXPECT_TRUE(Beat(alive).ok());
  }
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
  EXPECT_EQ(HealthOf("b"), Health::kUnhealthy);
}

TEST_F(RegistryTest, AStallOfTheControlPlaneExpiresNobody) {
  const Lease lease = RegisterOrDie("a");
  Pass(milliseconds(1000));
  now_ += 5 * kTtl;  // stopped: heartbeats were waiting in the sockets
  registry_.Advance(now_);
  EXPECT_EQ(HealthOf("a"), Health::kHealthy);
  EXPECT_TRUE(Beat(lease).ok());
  Pass(kTtl + milliseconds(1000));
  EXPECT_EQ(HealthOf("a"), Health::kUnhealthy);
}

TEST_F(RegistryTest, ARestartExpiresNobodyInARushAndLeasesLiveOn) {
  const auto store = *store::SqliteStore::Open(":memory:");
  std::vector<Lease> leases;
  for (int i = 0; i < 10; ++i) leases.push_back(RegisterOrDie("w" + std::to_string(i)));
  Pass(kTtl - milliseconds(1000));
  ASSERT_TRUE(SaveChanges(registry_.TakeChanges(), store.get(), 1).ok());

  Registry again(MakeOptions(), [] { return std::string("new"); });
  milliseconds now{5};  // another process: another monotonic clock
  const auto stored = LoadLeases(store.get());
  ASSERT_TRUE(stored.ok() && stored->damaged.empty());
  ASSERT_EQ(stored->leases.size(), 10);
  for (const Lease& lease : stored->leases) again.Restore(lease, now);
  for (; now < kTtl; now += milliseconds(1000)) again.Advance(now);
  EXPECT_TRUE(again.TakeChanges().empty());
  EXPECT_TRUE(again.Heartbeat(leases[3].id, leases[3].workload.spiffe_id, true, now).ok());
  EXPECT_EQ(again.workloads(), registry_.workloads());
}

TEST_F(RegistryTest, RemovalsLeaveTheStore) {
  const auto store = *store::SqliteStore::Open(":memory:");
  const Lease lease = RegisterOrDie("a");
  ASSERT_TRUE(SaveChanges(registry_.TakeChanges(), store.get(), 1).ok());
  ASSERT_TRUE(registry_.Deregister(lease.id, lease.workload.spiffe_id).ok());
  ASSERT_TRUE(SaveChanges(registry_.TakeChanges(), store.get(), 2).ok());
  EXPECT_TRUE(LoadLeases(store.get())->leases.empty());
}

TEST_F(RegistryTest, BadRegistrationsAreRefused) {
  Workload workload = MakeWorkload("a");
  workload.address = "post.example";
  EXPECT_EQ(registry_.Register(workload, kTtl, now_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry_.Register(MakeWorkload("a"), milliseconds(1), now_)->ttl,
            Registry::Options().shortest_ttl);
}

}  // namespace
}  // namespace tulle::registry
