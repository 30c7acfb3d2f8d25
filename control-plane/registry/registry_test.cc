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

  absl::Status Save(store::Store* store, int64_t now) {
    for (Change& change : registry_.TakeChanges()) unsaved_.Add(std::move(change));
    return unsaved_.Save(store, now, &refused_);
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
  UnsavedLeases unsaved_;
  std::vector<std::string> refused_;
  Registry registry_;
};

TEST_F(RegistryTest, ALastingRegistrationLivesByTheConnectionOfItsProxy) {
  bool is_connected = false;
  const auto pass = [&](milliseconds duration) {
    for (const milliseconds end = now_ + duration; now_ < end;) {
      registry_.RenewLasting([&](const std::string& id) { return is_connected && id == "a"; },
                             now_);
      Pass(milliseconds(1000));
    }
  };
  const auto health = [this] { return registry_.workloads().at("a").health; };
  const auto lease = registry_.RegisterLasting(MakeWorkload("a"), now_);
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(health(), Health::kUnhealthy) << "no traffic before its proxy is there";
  is_connected = true;
  pass(10 * kTtl);
  EXPECT_EQ(health(), Health::kHealthy) << "without heartbeats";
  is_connected = false;
  pass(2 * kTtl);
  EXPECT_EQ(health(), Health::kUnhealthy);
  pass(10 * kTtl);
  ASSERT_EQ(registry_.size(), 1u) << "it stays";

  // A restart of the control plane knows what it is.
  const auto stored = LeaseFromJson(LeaseToJson(*lease));
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->is_lasting);
  Registry restarted(MakeOptions(), [] { return "new"; });
  restarted.Restore(*stored, now_);
  EXPECT_TRUE(restarted.RemoveLasting("a").ok());
  EXPECT_EQ(restarted.size(), 0u);

  // A sidecar takes its place, whose lease ends as any other.
  RegisterOrDie("a");
  EXPECT_EQ(registry_.RemoveLasting("a").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(registry_.RemoveLasting("b").code(), absl::StatusCode::kNotFound);
  is_connected = true;
  pass(10 * kTtl);
  EXPECT_EQ(registry_.size(), 0u);
}

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

// 6,000 sidecars with three heartbeats in 15 s would send 1,200 a second.
TEST_F(RegistryTest, ADefaultTtlGrowsWithTheNumberOfLeases) {
  Registry registry({}, [this] { return "lease-" + std::to_string(++leases_); });
  const Lease first = *registry.Register(MakeWorkload("first"), std::nullopt, now_);
  const Lease chosen = *registry.Register(MakeWorkload("chosen"), kTtl, now_);
  EXPECT_EQ(first.ttl, milliseconds(15000));
  for (int i = 0; i < 5998; ++i) {
    ASSERT_TRUE(registry.Register(MakeWorkload("w" + std::to_string(i)), std::nullopt, now_).ok());
  }
  const auto beat = [&](const Lease& lease) {
    return *registry.Heartbeat(lease.id, lease.workload.spiffe_id, true, now_);
  };
  EXPECT_EQ(beat(first), milliseconds(45000));
  EXPECT_EQ(beat(chosen), kTtl) << "its holder has asked for it";
  for (int i = 0; i < 45; ++i) {
    now_ += milliseconds(1000);
    EXPECT_EQ(registry.workloads().at("first").health, Health::kHealthy);
    registry.Advance(now_);
  }
  // A restart knows which leases may follow.
  const auto stored = LeaseFromJson(LeaseToJson(first));
  ASSERT_TRUE(stored.ok());
  EXPECT_TRUE(stored->has_default_ttl);
  EXPECT_FALSE(LeaseFromJson(LeaseToJson(chosen))->has_default_ttl);
}

TEST_F(RegistryTest, ALeaseObeysItsHolderAlone) {
  const Lease lease = RegisterOrDie("a");
  EXPECT_EQ(registry_.Heartbeat(lease.id, "spiffe://cluster.local/ns/default/sa/b", true, now_)
                .status()
                .code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(
      registry_.Deregister(lease.id, "spiffe://cluster.local/ns/default/sa/b").status().code(),
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
  ASSERT_TRUE(Save(store.get(), 1).ok());

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
  ASSERT_TRUE(Save(store.get(), 1).ok());
  ASSERT_TRUE(registry_.Deregister(lease.id, lease.workload.spiffe_id).ok());
  ASSERT_TRUE(Save(store.get(), 2).ok());
  EXPECT_TRUE(LoadLeases(store.get())->leases.empty());
}

// Too large for the store: whatever let it in, the others must not be lost by it.
TEST_F(RegistryTest, ARecordThatTheStoreNeverTakesHoldsUpNobody) {
  const auto store = *store::SqliteStore::Open(":memory:");
  Change large{Change::Kind::kPut, {"lease-0", MakeWorkload("b"), kTtl}};
  large.lease.workload.metadata["note"] = std::string(5 << 20, 'x');
  unsaved_.Add(large);
  RegisterOrDie("a");
  RegisterOrDie("c");
  EXPECT_TRUE(Save(store.get(), 1).ok());
  EXPECT_EQ(LoadLeases(store.get())->leases.size(), 2);
  ASSERT_EQ(refused_.size(), 1);
  EXPECT_TRUE(refused_[0].starts_with("b (spiffe://cluster.local/ns/default/sa/b): a record of"))
      << refused_[0];
  EXPECT_EQ(unsaved_.size(), 0);
  RegisterOrDie("d");
  EXPECT_TRUE(Save(store.get(), 2).ok());
  EXPECT_EQ(LoadLeases(store.get())->leases.size(), 3);
}

TEST_F(RegistryTest, AFullDiskCostsNoMoreMemoryThanThereAreInstances) {
  const auto store = *store::SqliteStore::Open(":memory:");
  RegisterOrDie("a");
  ASSERT_TRUE(Save(store.get(), 1).ok());
  ASSERT_TRUE(store->LimitPagesForTest(1).ok());
  Lease lease;
  for (int i = 0; i < 50; ++i) {
    Workload workload = MakeWorkload("w" + std::to_string(i % 2));
    workload.metadata["note"] = std::string(8000, 'x');
    lease = *registry_.Register(workload, kTtl, now_);
    EXPECT_FALSE(Save(store.get(), 2).ok());
  }
  EXPECT_EQ(unsaved_.size(), 2);
  // Who was never written leaves nothing to delete.
  ASSERT_TRUE(registry_.Deregister(lease.id, lease.workload.spiffe_id).ok());
  EXPECT_FALSE(Save(store.get(), 2).ok());
  EXPECT_EQ(unsaved_.size(), 1);
  ASSERT_TRUE(store->LimitPagesForTest(1000).ok());
  ASSERT_TRUE(Save(store.get(), 3).ok());
  EXPECT_EQ(LoadLeases(store.get())->leases.size(), 2);
}

TEST_F(RegistryTest, OneIdentityNamesSoManyServicesAndNoMore) {
  const auto registering = [&](int instance, int service) {
    Workload workload = MakeWorkload("w" + std::to_string(instance));
    workload.spiffe_id = MakeWorkload("w").spiffe_id;
    workload.inbound.clear();
    for (uint32_t i = 0; i < 64; ++i) {
      workload.outbound.tcp.push_back(
          {{"default", "s" + std::to_string(service + static_cast<int>(i))}, 80, 10000 + i});
    }
    return registry_.Register(workload, kTtl, now_).status();
  };
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(registering(i, i * 64).ok());
  EXPECT_TRUE(registering(4, 0).ok()) << "a replica names the same ones";
  EXPECT_EQ(registering(5, 200).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(registering(3, 1000).ok()) << "what it named before is free again";
  EXPECT_EQ(registry_.size(), 5);
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
