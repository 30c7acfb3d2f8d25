// One replica's authority and the Secret that it shares: which records come into force, which are
// replaced, and when the replica is behind.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "certs/private_key.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/kubernetes/roots_secret.h"
#include "control-plane/store/sqlite_store.h"
#include "k8s/api/client.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"

namespace tulle::server {
namespace {

using ca::RotationPhase;
using k8s::testing::FakeApiServer;
using k8s::testing::Json;
using std::chrono::seconds;

constexpr char kPath[] = "/api/v1/namespaces/tulle-system/secrets";

// On a disk that may be full.
class Disk final : public store::Store {
 public:
  absl::StatusOr<int64_t> Commit(const store::Transaction& transaction) override {
    if (is_full) return absl::DataLossError("the disk is full");
    return store_->Commit(transaction);
  }
  absl::StatusOr<std::optional<store::Record>> Get(store::Collection collection,
                                                   std::string_view key) override {
    return store_->Get(collection, key);
  }
  absl::StatusOr<std::vector<store::Record>> List(store::Collection collection) override {
    return store_->List(collection);
  }
  absl::StatusOr<std::vector<store::PastRecord>> History(store::Collection collection,
                                                         std::string_view key) override {
    return store_->History(collection, key);
  }
  absl::StatusOr<std::vector<store::PastRecord>> AllHistory(store::Collection collection) override {
    return store_->AllHistory(collection);
  }
  absl::StatusOr<std::string> Image() override { return store_->Image(); }
  absl::StatusOr<int64_t> RevisionOf(store::Collection collection) override {
    return store_->RevisionOf(collection);
  }

  bool is_full = false;

 private:
  std::unique_ptr<store::SqliteStore> store_ = *store::SqliteStore::Open(":memory:");
};

class SharedAuthorityTest : public testing::Test {
 protected:
  SharedAuthorityTest()
      : server_loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.9"}))),
        loop_(simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}))),
        client_(
            *loop_, [this] { return PlainConnector().Connect(*loop_, at_, {}); },
            k8s::Client::Options{"kubernetes:443", {"secret", ""}}, [](const std::string&) {}) {
    server_.emplace(*server_loop_, PlainAcceptor(), at_);
    server_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
    {
      Disk disk;
      stored_ = (*ca::MeshAuthority::Open({}, &disk, &keys_, Now()))->Record();
    }
    ca::MeshAuthority::Options options;
    options.shared_roots = stored_;
    authority_ = *ca::MeshAuthority::Open(options, &disk_, &keys_, Now());
    Put(stored_);
    secret_.emplace(
        *loop_, client_, log_, stored_,
        [this](const std::string& roots) { return authority_->AdoptShared(roots, Now()).status(); },
        [this](const std::string& version) { settled_ = version; });
    authority_->SetPropose([this](const std::string& roots) { secret_->Write(roots); });
    client_.Start();
    secret_->Start();
    EXPECT_TRUE(Until([this] { return is_settled(); }));
  }
  ~SharedAuthorityTest() override {
    secret_.reset();
    server_.reset();
  }

  int64_t Now() const {
    return std::chrono::duration_cast<seconds>(simulation_.WallNow().time_since_epoch()).count();
  }
  bool Answer(FakeApiServer::Call& call) {
    if (call.method != "PATCH") return false;
    const Json change = Json::parse(call.body);
    if (change["metadata"]["resourceVersion"] != std::to_string(version_)) {
      call.Answer(409, R"({"reason":"Conflict"})");
      return true;
    }
    std::string roots;
    absl::Base64Unescape(change["data"]["roots.json"].get<std::string>(), &roots);
    Put(roots);
    call.Answer(200, "{}");
    return true;
  }
  void Put(const std::string& roots) {
    stored_ = roots;
    server_->Put(kPath, "tulle-system", "tulle-ca",
                 {{"data", {{"roots.json", absl::Base64Escape(roots)}}}});
    ++version_;
  }
  bool Until(const std::function<bool()>& condition) {
    return simulation_.RunUntil(condition, seconds(120)) == sim::Simulation::Outcome::kConditionMet;
  }
  // As far as this replica is concerned, the Secret's version is in force.
  bool is_settled() const { return settled_ == std::to_string(version_); }
  RotationPhase phase() const { return authority_->rotation().phase(); }
  RotationPhase StoredPhase() const { return ca::ParseRoots(stored_)->phase; }

  sim::Simulation simulation_{7};
  certs::SystemKeySource keys_;
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.9:443");
  std::unique_ptr<loop::Loop> server_loop_, loop_;
  std::optional<FakeApiServer> server_;
  k8s::Client client_;
  Disk disk_;
  std::unique_ptr<ca::MeshAuthority> authority_;
  std::optional<kubernetes::RootsSecret> secret_;
  std::string stored_, settled_;
  int version_ = 100;  // as the fake server counts
};

TEST_F(SharedAuthorityTest, AnOlderRecordIsReplacedInTheSecret) {
  const std::string older = stored_;
  ASSERT_TRUE(authority_->BeginRotation(Now()).ok());
  ASSERT_TRUE(Until([this] { return phase() == RotationPhase::kAnnouncing && is_settled(); }));
  Put(older);
  ASSERT_TRUE(Until([this] { return !secret_->is_valid(); }));
  EXPECT_TRUE(is_settled()) << "the newer roots stay in force";
  authority_->SaveChanges(Now());
  ASSERT_TRUE(Until([this] { return secret_->is_valid(); }));
  EXPECT_EQ(StoredPhase(), RotationPhase::kAnnouncing);
  EXPECT_EQ(phase(), RotationPhase::kAnnouncing);
  EXPECT_TRUE(is_settled());
}

TEST_F(SharedAuthorityTest, AReplicaThatCannotStoreNewRootsIsBehindUntilItCan) {
  ASSERT_TRUE(authority_->BeginRotation(Now()).ok());
  disk_.is_full = true;
  ASSERT_TRUE(Until([this] { return !secret_->is_valid(); }));
  EXPECT_EQ(phase(), RotationPhase::kSteady);
  EXPECT_FALSE(is_settled());
  authority_->BeginRotation(Now()).IgnoreError();  // of the roots that it has
  simulation_.RunFor(seconds(30));
  EXPECT_FALSE(is_settled());
  EXPECT_EQ(ca::ParseRoots(stored_)->generation, 2) << "it overwrites nothing";
  disk_.is_full = false;
  ASSERT_TRUE(Until([this] { return phase() == RotationPhase::kAnnouncing; }));
  EXPECT_TRUE(is_settled());
  EXPECT_TRUE(secret_->is_valid());
}

// The next version of Tulle may have written it.
TEST_F(SharedAuthorityTest, ARecordThatOthersMayUnderstandLeavesTheReplicaBehind) {
  const std::string good = stored_;
  const Json of_later_version = {
      {"phase", "steady"}, {"since", Now()}, {"rootSets", Json::array()}};
  Put(of_later_version.dump());
  simulation_.RunFor(seconds(10));
  EXPECT_FALSE(is_settled());
  Put(good);
  ASSERT_TRUE(Until([this] { return is_settled(); }));
}

TEST_F(SharedAuthorityTest, RecordsThatNobodyCanUseLeaveTheRootsInForce) {
  for (const std::string& record : {std::string("not JSON"), std::string()}) {
    Put(record);
    ASSERT_TRUE(Until([this] { return is_settled(); })) << record;
    EXPECT_FALSE(secret_->is_valid());
  }
}

}  // namespace
}  // namespace tulle::server
