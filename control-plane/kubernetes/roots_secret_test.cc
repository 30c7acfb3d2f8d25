#include "control-plane/kubernetes/roots_secret.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;
using k8s::testing::FakeApiServer;
using std::chrono::seconds;

constexpr char kPath[] = "/api/v1/namespaces/tulle-system/secrets";

// One replica: its own host and connection.
struct Replica {
  Replica(sim::Simulation& simulation, const std::string& host, const SocketAddress& server,
          const std::string& candidate, telemetry::Log& log)
      : loop(simulation.NewLoop(simulation.AddHost({host}))),
        client(
            *loop, [this, server] { return PlainConnector().Connect(*loop, server, {}); },
            k8s::Client::Options{"kubernetes:443", {"secret", ""}}, [](const std::string&) {}),
        secret(
            *loop, client, log, candidate,
            [this](const std::string& roots) {
              if (roots.starts_with("broken")) return absl::DataLossError("no JSON");
              seen.push_back(roots);
              return absl::OkStatus();
            },
            [this](const std::string& version) { settled = version; }) {
    client.Start();
    secret.Start();
  }
  std::string roots() const { return seen.empty() ? "" : seen.back(); }

  std::unique_ptr<loop::Loop> loop;
  k8s::Client client;
  std::vector<std::string> seen;
  std::string settled;  // version
  RootsSecret secret;
};

class RootsSecretTest : public ::testing::Test {
 protected:
  RootsSecretTest() {
    server_loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.9"}));
    server_.emplace(*server_loop_, PlainAcceptor(), at_);
    server_->script = [this](FakeApiServer::Call& call) { return Answer(call); };
  }
  ~RootsSecretTest() override {
    a_.reset();
    b_.reset();
    server_.reset();
  }

  // Creation and patches, as the API server does them.
  bool Answer(FakeApiServer::Call& call) {
    if (call.method == "GET") return false;
    ++writes_;
    if (is_down_) return call.Answer(500, "{}"), true;
    if (is_too_large_) return call.Answer(422, "{}"), true;
    const Json json = Json::parse(call.body);
    const bool is_new = call.method == "POST";
    const bool exists = !secret_.is_null();
    if (is_new && exists) return call.Answer(409, R"({"reason":"AlreadyExists"})"), true;
    if (!is_new && json["metadata"]["resourceVersion"] != Version())
      return call.Answer(409, R"({"reason":"Conflict"})"), true;
    Put(json["data"]);
    return call.Answer(is_new ? 201 : 200, "{}"), true;
  }
  void Put(const Json& data) {
    secret_ = {{"data", data}};
    server_->Put(kPath, "tulle-system", "tulle-ca", secret_);
    ++version_;
  }
  std::string Version() const { return std::to_string(version_); }
  void PutRoots(const std::string& roots) { Put({{kRootsSecretKey, absl::Base64Escape(roots)}}); }
  std::string Stored() const {
    std::string roots;
    if (!secret_.is_null())
      absl::Base64Unescape(secret_["data"][kRootsSecretKey].get<std::string>(), &roots);
    return roots;
  }
  void StartA() { a_.emplace(simulation_, "10.0.0.1", at_, "roots of a", log_); }
  void StartB() { b_.emplace(simulation_, "10.0.0.2", at_, "roots of b", log_); }
  bool Until(const std::function<bool()>& condition) {
    return simulation_.RunUntil(condition, seconds(120)) == sim::Simulation::Outcome::kConditionMet;
  }

  sim::Simulation simulation_{3};
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.9:443");
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  std::unique_ptr<loop::Loop> server_loop_;
  std::optional<FakeApiServer> server_;
  Json secret_;
  int version_ = 100;  // as the fake server counts
  int writes_ = 0;
  bool is_down_ = false, is_too_large_ = false;
  std::optional<Replica> a_, b_;
};

TEST_F(RootsSecretTest, TheFirstReplicaCreatesItAndOthersReadIt) {
  StartA();
  ASSERT_TRUE(Until([&] { return a_->roots() == "roots of a"; }));
  EXPECT_EQ(Stored(), "roots of a");
  StartB();
  ASSERT_TRUE(Until([&] { return !b_->seen.empty(); }));
  EXPECT_EQ(b_->roots(), "roots of a");
  EXPECT_EQ(writes_, 1);
  for (const std::string& request : server_->requests) {
    EXPECT_TRUE(absl::StrContains(request, "fieldSelector=metadata.name%3Dtulle-ca") ||
                absl::StartsWith(request, "POST "))
        << request;
  }
}

TEST_F(RootsSecretTest, TwoThatStartAtOnceAgree) {
  StartA();
  StartB();
  ASSERT_TRUE(Until([&] { return !a_->seen.empty() && !b_->seen.empty(); }));
  EXPECT_EQ(a_->roots(), b_->roots());
  EXPECT_EQ(a_->roots(), Stored());
  EXPECT_EQ(a_->seen.size(), 1u) << "no candidate is used before it is in the Secret";
}

TEST_F(RootsSecretTest, NothingIsReportedUntilItCanBeWritten) {
  is_down_ = true;
  StartA();
  simulation_.RunFor(seconds(30));
  EXPECT_TRUE(a_->seen.empty());
  EXPECT_GT(writes_, 2);
  is_down_ = false;
  EXPECT_TRUE(Until([&] { return a_->roots() == "roots of a"; }));
}

TEST_F(RootsSecretTest, OfTwoWritersOneWins) {
  PutRoots("old");
  StartA();
  StartB();
  ASSERT_TRUE(Until([&] { return a_->roots() == "old" && b_->roots() == "old"; }));
  a_->secret.Write("by a");
  b_->secret.Write("by b");
  ASSERT_TRUE(Until([&] { return a_->roots() != "old" && b_->roots() != "old"; }));
  simulation_.RunFor(seconds(10));
  EXPECT_EQ(a_->roots(), b_->roots());
  EXPECT_EQ(a_->seen.size(), 2u);
  EXPECT_EQ(b_->seen.size(), 2u);
  // The other one can write again, for the version that it has seen now.
  b_->secret.Write("later");
  EXPECT_TRUE(Until([&] { return a_->roots() == "later" && b_->roots() == "later"; }));
}

TEST_F(RootsSecretTest, ADeletedSecretComesBackWithTheSameRoots) {
  PutRoots("old");
  StartA();
  ASSERT_TRUE(Until([&] { return a_->roots() == "old"; }));
  secret_ = Json();
  server_->Delete(kPath, "tulle-system", "tulle-ca");
  ASSERT_TRUE(Until([&] { return Stored() == "old"; }));
}

TEST_F(RootsSecretTest, ARecordThatCannotBeUsedIsNeverWrittenBack) {
  PutRoots("good");
  StartA();
  ASSERT_TRUE(Until([&] { return a_->roots() == "good"; }));
  EXPECT_TRUE(a_->secret.is_valid());
  PutRoots("broken");
  ASSERT_TRUE(Until([&] { return !a_->secret.is_valid(); }));
  EXPECT_EQ(a_->roots(), "good");
  EXPECT_EQ(a_->settled, Version());
  a_->secret.Write("made of good");
  simulation_.RunFor(seconds(10));
  EXPECT_EQ(writes_, 0) << "nothing is derived from it, and it is not overwritten";
  secret_ = Json();
  server_->Delete(kPath, "tulle-system", "tulle-ca");
  ASSERT_TRUE(Until([&] { return Stored() == "good"; }));
  EXPECT_TRUE(Until([&] { return a_->secret.is_valid(); }));
}

TEST_F(RootsSecretTest, AChangeThatIsRefusedIsRepeatedLessAndLessOften) {
  PutRoots("good");
  StartA();
  ASSERT_TRUE(Until([&] { return a_->roots() == "good"; }));
  is_too_large_ = true;
  for (int second = 0; second < 300; ++second) {
    a_->secret.Write("too large");
    simulation_.RunFor(seconds(1));
  }
  EXPECT_GT(writes_, 5);
  EXPECT_LT(writes_, 15);
  is_too_large_ = false;
  simulation_.RunFor(seconds(60));
  a_->secret.Write("smaller");
  EXPECT_TRUE(Until([&] { return a_->roots() == "smaller"; }));
}

TEST_F(RootsSecretTest, ADamagedSecretIsNotUsed) {
  Put({{kRootsSecretKey, "***"}});
  StartA();
  simulation_.RunFor(seconds(10));
  EXPECT_TRUE(a_->seen.empty());
  EXPECT_EQ(writes_, 0) << "roots that may be needed are not overwritten";
  EXPECT_EQ(a_->settled, Version()) << "no other replica can use it";
  PutRoots("good");
  EXPECT_TRUE(Until([&] { return a_->roots() == "good"; }));
}

}  // namespace
}  // namespace tulle::kubernetes
