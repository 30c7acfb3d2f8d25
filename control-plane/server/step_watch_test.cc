// Rotations of the root by several replicas, while sidecars move between them, connections are lost
// without notice, and replicas are cut off from the API server. Whatever happens in which order, no
// step comes before all sidecars are ready for it, and none takes anything back afterwards.
#include "control-plane/server/step_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "certs/private_key.h"
#include "control-plane/store/sqlite_store.h"
#include "net/loop/sim/simulation.h"
#include "telemetry/log.h"

namespace tulle::server {
namespace {

using ca::RotationPhase;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kReplicas = 3;
constexpr int kSidecars = 6;
constexpr int kAway = -1;
constexpr milliseconds kStep{100};
constexpr milliseconds kFreshness{8'000};

struct Sidecar {
  std::string uid;
  int replica = 0;              // that it is connected to; kAway: to none
  std::set<std::string> holds;  // key hashes of the roots that it trusts
  std::string signing;          // of them, the first
  std::string signer;           // of its certificate
  bool is_renewing = false;
  bool is_mute = false;
  milliseconds ends{0};  // its certificate, if it is away
};

// A certificate on its way.
struct Response {
  milliseconds at{0};
  Sidecar* to = nullptr;
  std::string signer;
};

struct Replica {
  std::unique_ptr<loop::Loop> loop;
  std::unique_ptr<store::SqliteStore> store = *store::SqliteStore::Open(":memory:");
  std::unique_ptr<ca::MeshAuthority> authority;
  std::unique_ptr<StepWatch> watch;
  milliseconds confirmed{0};
  milliseconds cut_until{0};
  std::set<std::string> acknowledged;           // since the roots were sent last
  std::map<std::string, std::string> presents;  // signer of the certificate, by connected sidecar
  std::map<std::string, milliseconds> lost;     // connections that are gone, and when that is seen

  std::set<std::string> roots() const {
    std::set<std::string> hashes;
    const auto all = certs::ParsePemCertificates(authority->trust_bundle_pem());
    for (const certs::Certificate& root : *all) hashes.insert(root.sha256());
    return hashes;
  }
  std::string signing() const { return authority->signing().certificate().sha256(); }
};

class World {
 public:
  explicit World(uint64_t seed, seconds lifetime = std::chrono::hours(24))
      : simulation_(seed), random_(seed) {
    ca::MeshAuthority::Options options;
    options.svid_lifetime_seconds = lifetime.count();
    for (int i = 0; i < kReplicas; ++i) {
      Replica& replica = replicas_.emplace_back();
      replica.loop = simulation_.NewLoop(simulation_.AddHost({absl::StrCat("10.0.0.", i + 1)}));
      options.shared_roots = shared_;
      replica.authority = *ca::MeshAuthority::Open(options, replica.store.get(), &keys_, WallNow());
      if (i == 0) shared_ = replica.authority->Record();
      Serve(i);
    }
    sidecars_.resize(kSidecars);
    for (int i = 0; i < kSidecars; ++i) {
      Sidecar& sidecar = sidecars_[static_cast<size_t>(i)];
      sidecar.uid = absl::StrCat("uid-", i);
      sidecar.holds = replicas_[0].roots();
      sidecar.signing = sidecar.signer = replicas_[0].signing();
      Connect(sidecar, Below(kReplicas));
    }
    old_root_ = replicas_[0].signing();
  }

  void Begin(milliseconds before = seconds(5)) {
    Run(before, false);
    ASSERT_TRUE(replicas_[0].authority->BeginRotation(WallNow()).ok());
    const auto roots = ca::ParseRoots(shared_);
    ASSERT_EQ(roots->phase, RotationPhase::kAnnouncing);
    new_root_ = roots->active.back().certificate().sha256();
  }
  void Run(milliseconds time, bool is_rough) {
    for (const milliseconds end = Now() + time; Now() < end && !testing::Test::HasFailure();) {
      if (is_rough) Disturb();
      for (int i = 0; i < kReplicas; ++i) Act(i);
      Deliver();
      simulation_.RunFor(kStep);
      Check();
    }
  }
  void CutOff(size_t replica, milliseconds time) { replicas_[replica].cut_until = Now() + time; }
  // `unnoticed`: how long its former replica takes the connection for alive.
  void Move(size_t sidecar, int to, milliseconds unnoticed) {
    Sidecar& moved = sidecars_[sidecar];
    if (moved.replica != to)
      replicas_[static_cast<size_t>(moved.replica)].lost[moved.uid] = Now() + unnoticed;
    Connect(moved, to);
  }
  // It is connected, and acknowledges nothing.
  void Mute(size_t sidecar) { sidecars_[sidecar].is_mute = true; }
  // It is stopped for ever; its certificate is valid for so long.
  void Leave(size_t sidecar, seconds valid) {
    Sidecar& left = sidecars_[sidecar];
    Replica& replica = replicas_[static_cast<size_t>(std::exchange(left.replica, kAway))];
    left.ends = Now() + valid;
    Show(replica, left, valid);
    replica.acknowledged.erase(left.uid);
    replica.presents.erase(left.uid);
    replica.authority->rotation().OnDisconnected(left.uid, WallNow());
  }
  // The replica that it is connected to sees its certificate, which is valid for so long.
  void Show(size_t sidecar, seconds valid) {
    const Sidecar& shown = sidecars_[sidecar];
    Show(replicas_[static_cast<size_t>(shown.replica)], shown, valid);
  }
  bool is_done() const { return written_ == RotationPhase::kSteady && !new_root_.empty(); }
  RotationPhase written() const { return written_; }
  std::string reason() { return replicas_[0].authority->rotation().others_reason(); }

 private:
  milliseconds Now() const {
    return std::chrono::duration_cast<milliseconds>(simulation_.Now().time_since_epoch());
  }
  int64_t WallNow() const {
    return std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count();
  }
  int Below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  bool IsCut(const Replica& replica) const { return Now() < replica.cut_until; }
  bool IsCurrent(const Replica& replica) const { return Now() - replica.confirmed < kFreshness; }
  // The first one that reaches the API server.
  bool Leads(int index) const {
    for (int i = 0; i < index; ++i) {
      if (!IsCut(replicas_[static_cast<size_t>(i)])) return false;
    }
    return !IsCut(replicas_[static_cast<size_t>(index)]);
  }

  void Serve(int index) {
    Replica& replica = replicas_.back();
    replica.authority->SetPropose([this, &replica](const std::string& record) {
      // As resourceVersion does it.
      const auto roots = ca::ParseRoots(record);
      if (IsCut(replica) || replica.authority->Record() != shared_) return;
      shared_ = record;
      written_ = roots->phase;
    });
    StepWatch::Parts parts{*replica.loop, *replica.authority, log_};
    parts.for_each_pod = [this](const std::function<void(const StepWatch::Pod&)>& visit) {
      for (const Sidecar& sidecar : sidecars_) {
        if (visit) visit({sidecar.uid, 0, true});
      }
      return true;
    };
    parts.resend_roots = [&replica] { replica.acknowledged.clear(); };
    parts.is_leader = [this, index] { return Leads(index); };
    parts.publish = [this, &replica, index](const std::string& statement) {
      if (IsCut(replica)) return;
      lease_[absl::StrCat(index)] = absl::StrCat(statement, " ", Now().count() / 5000);
    };
    parts.withdraw = [this] { lease_.clear(); };
    parts.statements = [this, index] {
      auto others = lease_;
      others.erase(absl::StrCat(index));
      return others;
    };
    replica.watch = std::make_unique<StepWatch>(std::move(parts));
  }

  void Connect(Sidecar& sidecar, int to) {
    Replica& replica = replicas_[static_cast<size_t>(to)];
    sidecar.replica = to;
    replica.lost.erase(sidecar.uid);
    replica.acknowledged.erase(sidecar.uid);
    replica.presents[sidecar.uid] = sidecar.signer;
    replica.authority->rotation().OnConnected(sidecar.uid);
  }
  void Show(Replica& replica, const Sidecar& sidecar, seconds valid) {
    replica.authority->rotation().OnConnected(sidecar.uid,
                                              {"id", sidecar.uid, WallNow() + valid.count()});
  }
  void MoveAnywhere(Sidecar& sidecar, milliseconds unnoticed) {
    Move(static_cast<size_t>(&sidecar - sidecars_.data()), Below(kReplicas), unnoticed);
  }

  void Disturb() {
    for (Sidecar& sidecar : sidecars_) {
      if (sidecar.replica != kAway && Below(40) == 0)
        MoveAnywhere(sidecar, Below(3) == 0 ? seconds(30) : seconds(0));
    }
    Replica& unlucky = replicas_[static_cast<size_t>(Below(kReplicas))];
    if (Below(100) == 0) unlucky.cut_until = Now() + seconds(1 + Below(40));
  }

  void Act(int index) {
    Replica& replica = replicas_[static_cast<size_t>(index)];
    if (!IsCut(replica) && Below(4) == 0) {
      replica.authority->AdoptShared(shared_, WallNow()).IgnoreError();
      replica.confirmed = Now();
    }
    ca::RootRotation& rotation = replica.authority->rotation();
    for (auto lost = replica.lost.begin(); lost != replica.lost.end();) {
      if (Now() < lost->second) {
        ++lost;
        continue;
      }
      rotation.OnDisconnected(lost->first, WallNow());
      replica.presents.erase(lost->first);
      replica.acknowledged.erase(lost->first);
      lost = replica.lost.erase(lost);
    }
    for (const std::string& uid : replica.acknowledged) {
      rotation.OnAcknowledged(uid);
      if (rotation.phase() == RotationPhase::kRenewing &&
          replica.presents[uid] == replica.signing())
        rotation.OnRenewed(uid);
    }
    if (Leads(index)) replica.authority->AdvanceRotation(WallNow()).IgnoreError();
  }

  void Deliver() {
    for (Sidecar& sidecar : sidecars_) {
      if (sidecar.replica == kAway || sidecar.is_mute) continue;
      Replica& replica = replicas_[static_cast<size_t>(sidecar.replica)];
      if (!IsCurrent(replica) || Below(3) != 0) continue;
      sidecar.holds = replica.roots();
      sidecar.signing = replica.signing();
      replica.acknowledged.insert(sidecar.uid);
      if (sidecar.signing != sidecar.signer && !sidecar.is_renewing) Request(sidecar);
    }
    while (!responses_.empty()) {
      const auto due = std::find_if(responses_.begin(), responses_.end(),
                                    [this](const Response& each) { return each.at <= Now(); });
      if (due == responses_.end()) break;
      due->to->signer = due->signer;
      due->to->is_renewing = false;
      MoveAnywhere(*due->to, seconds(0));
      responses_.erase(due);
    }
  }
  void Request(Sidecar& sidecar) {
    Replica& replica = replicas_[static_cast<size_t>(Below(kReplicas))];
    if (!IsCurrent(replica)) return;
    sidecar.is_renewing = true;
    responses_.push_back({Now() + milliseconds(Below(9900)), &sidecar, replica.signing()});
  }

  void Check() const {
    if (new_root_.empty() || written_ == RotationPhase::kAnnouncing) return;
    for (const Sidecar& sidecar : sidecars_) {
      if (sidecar.replica == kAway && Now() >= sidecar.ends) continue;  // it joins anew
      EXPECT_TRUE(sidecar.holds.contains(new_root_))
          << sidecar.uid << " does not trust the root that signs";
      if (written_ != RotationPhase::kSteady) continue;
      EXPECT_EQ(sidecar.signer, new_root_) << sidecar.uid << " has a certificate of the old root";
    }
    if (written_ != RotationPhase::kSteady) return;
    for (const Response& response : responses_) EXPECT_EQ(response.signer, new_root_);
  }

  sim::Simulation simulation_;
  std::mt19937 random_;
  certs::SystemKeySource keys_;
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::string shared_;                              // the record in the Secret
  RotationPhase written_ = RotationPhase::kSteady;  // its phase
  std::map<std::string, std::string> lease_;        // statements
  std::deque<Replica> replicas_;
  std::vector<Sidecar> sidecars_;
  std::vector<Response> responses_;
  std::string old_root_, new_root_;
};

TEST(StepWatch, ARotationTakesLessThanAMinute) {
  World world(1);
  world.Begin();
  world.Run(seconds(60), false);
  EXPECT_TRUE(world.is_done());
}

// It acknowledges the new root to replica 0, then gets the old one alone from a replica that does
// not know the step yet.
TEST(StepWatch, AConnectionThatWasLostWithoutNoticeDoesNotCount) {
  World world(2);
  for (int i = 0; i < kSidecars; ++i) world.Move(static_cast<size_t>(i), i % 2, seconds(0));
  world.Run(seconds(5), false);
  world.CutOff(2, seconds(300));
  world.Begin(seconds(0));
  world.Run(seconds(3), false);
  world.Move(0, 2, seconds(200));
  world.Run(seconds(100), false);
  EXPECT_EQ(world.written(), RotationPhase::kAnnouncing) << "one pod does not trust the new root";
  world.CutOff(2, seconds(0));
  world.Run(seconds(100), false);
  EXPECT_TRUE(world.is_done());
}

// So that no step waits for pods that are away, and each waits until their certificates have ended.
constexpr seconds kLifetime{100};
// A step settles in at most 29 s by any clock; 25 s later the leader has heard what others wait
// for.
constexpr seconds kStepWithoutAPod = kLifetime + seconds(29 + 25 + 5);

TEST(StepWatch, PodsThatAreAwayDelayAStepByOneLifetime) {
  World world(3, kLifetime);
  for (size_t i = 0; i < kSidecars; ++i) world.Move(i, 0, seconds(0));
  world.Run(seconds(5), false);
  world.Leave(0, kLifetime);
  world.Leave(1, kLifetime - seconds(5));
  world.Begin(seconds(0));
  world.Run(kStepWithoutAPod, false);
  EXPECT_EQ(world.written(), RotationPhase::kRenewing);
  world.Run(kStepWithoutAPod, false);
  EXPECT_TRUE(world.is_done());
}

TEST(StepWatch, APodThatIsAwayDelaysAStepOfSeveralReplicasByOneLifetime) {
  World world(4, kLifetime);
  world.Run(seconds(5), false);
  world.Leave(0, kLifetime);
  world.Begin(seconds(0));
  for (size_t i = 1; i < kSidecars; ++i) {
    world.Run(seconds(10), false);
    world.Move(i, static_cast<int>(i + 1) % kReplicas, seconds(0));
  }
  world.Run(kStepWithoutAPod - seconds(10 * (kSidecars - 1)), false);
  EXPECT_EQ(world.written(), RotationPhase::kRenewing);
  world.Run(kStepWithoutAPod, false);
  EXPECT_TRUE(world.is_done());
}

// The leader knows only its former certificate.
TEST(StepWatch, ACertificateThatWasShownToAnotherReplicaIsWaitedFor) {
  World world(5, kLifetime);
  for (size_t i = 0; i < kSidecars; ++i) world.Move(i, 0, seconds(0));
  world.Show(0, seconds(30));
  world.Run(seconds(5), false);
  world.Move(0, 1, seconds(0));
  world.Run(seconds(5), false);
  world.Leave(0, kLifetime);
  world.Begin(seconds(0));
  world.Run(kLifetime - seconds(1), false);
  EXPECT_EQ(world.written(), RotationPhase::kAnnouncing);
  world.Run(kStepWithoutAPod, false);
  EXPECT_EQ(world.written(), RotationPhase::kRenewing);
}

// It does not acknowledge, which does not end with a certificate.
TEST(StepWatch, APodThatIsConnectedIsWaitedForWhereverItIs) {
  for (const int replica : {0, 1}) {
    World world(6, kLifetime);
    world.Move(0, replica, seconds(0));
    world.Run(seconds(5), false);
    world.Mute(0);
    world.Begin(seconds(0));
    world.Run(2 * kStepWithoutAPod, false);
    EXPECT_EQ(world.written(), RotationPhase::kAnnouncing) << replica;
    EXPECT_TRUE(world.reason().starts_with("1 of 6 pods")) << world.reason();
  }
}

class LinesWritten final : public telemetry::Log::Sink {
 public:
  explicit LinesWritten(std::vector<std::string>& lines) : lines_(lines) {}
  void Write(std::string_view line) override { lines_.emplace_back(line); }

 private:
  std::vector<std::string>& lines_;
};

TEST(StepWatch, ASidecarThatIsConnectedTwiceIsReported) {
  sim::Simulation simulation(7);
  const std::unique_ptr<loop::Loop> loop = simulation.NewLoop(simulation.AddHost({"10.0.0.1"}));
  const auto now = [&] {
    return std::chrono::duration_cast<seconds>(simulation.WallNow().time_since_epoch()).count();
  };
  certs::SystemKeySource keys;
  const auto store = *store::SqliteStore::Open(":memory:");
  const auto authority = *ca::MeshAuthority::Open({}, store.get(), &keys, now());
  std::vector<std::string> lines;
  telemetry::Log log(telemetry::LogLevel::kWarning, telemetry::Log::Form::kText,
                     std::make_unique<LinesWritten>(lines));
  StepWatch::Parts parts{*loop, *authority, log};
  parts.for_each_pod = [](const std::function<void(const StepWatch::Pod&)>& visit) {
    if (visit) visit({"uid", 0, true});
    return true;
  };
  parts.resend_roots = [] {};
  parts.is_leader = [] { return true; };
  std::string own;
  parts.publish = [&own](const std::string& statement) { own = statement; };
  parts.withdraw = [] {};
  bool is_connected_twice = true;
  parts.statements = [&] {
    std::map<std::string, std::string> others;
    if (is_connected_twice) others["other"] = absl::StrCat(own, " ", now());
    return others;
  };
  StepWatch watch(std::move(parts));
  ASSERT_TRUE(authority->BeginRotation(now()).ok());
  const auto run = [&](int time) {
    for (int second = 0; second < time; ++second) {
      authority->rotation().OnConnected("uid");
      authority->rotation().OnAcknowledged("uid");
      simulation.RunFor(seconds(1));
    }
  };
  run(60);
  EXPECT_TRUE(lines.empty());
  run(60);
  ASSERT_EQ(lines.size(), 1u) << "once a minute";
  EXPECT_NE(lines[0].find("1 sidecars are counted twice"), std::string::npos) << lines[0];
  EXPECT_EQ(authority->rotation().others_reason(),
            "1 sidecars to be connected to one replica only");
  is_connected_twice = false;
  run(1);
  EXPECT_EQ(authority->rotation().DuePhase(now()), RotationPhase::kRenewing);
  EXPECT_EQ(lines.size(), 1u);
}

class RoughStepWatch : public testing::TestWithParam<uint64_t> {};

TEST_P(RoughStepWatch, NoSidecarIsLeftBehind) {
  World world(GetParam());
  world.Begin();
  world.Run(seconds(120), true);
  world.Run(seconds(120), false);
  EXPECT_TRUE(world.is_done()) << NameOf(world.written());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RoughStepWatch, testing::Range<uint64_t>(1, 41));

}  // namespace
}  // namespace tulle::server
