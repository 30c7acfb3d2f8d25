// The client and the reflector against an API server that follows a script, on the simulator.
#include "k8s/api/reflector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "certs/testing/fixtures.h"
#include "k8s/api/dialer.h"
#include "k8s/api/testing/fake_api_server.h"
#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"

namespace tulle::k8s {
namespace {

using std::chrono::seconds;
using testing::FakeApiServer;

constexpr char kServices[] = "/api/v1/services";

class Recorder final : public ReflectorEvents {
 public:
  void OnUpsert(const ObjectKey& key, const Json& object) override {
    log.push_back("+" + key.ns + "/" + key.name + "=" + fact(object));
  }
  void OnDelete(const ObjectKey& key) override { log.push_back("-" + key.ns + "/" + key.name); }
  void OnSynced() override { log.push_back("synced"); }
  void OnProblem(const std::string& text) override { problems.push_back(text); }

  bool HasProblem(const std::string& text) const {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const auto& each) { return absl::StrContains(each, text); });
  }
  std::function<std::string(const Json&)> fact = [](const Json& it) { return TextAt(it, {"v"}); };
  std::vector<std::string> log;
  std::vector<std::string> problems;
};

using Log = std::vector<std::string>;

class ReflectorTest : public ::testing::Test {
 protected:
  ReflectorTest() : simulation_(11) {
    server_host_ = simulation_.AddHost({"10.0.0.2"});
    host_ = simulation_.AddHost({"10.0.0.1"});
    server_loop_ = simulation_.NewLoop(server_host_);
    loop_ = simulation_.NewLoop(host_);
    Serve(PlainAcceptor());
  }
  ~ReflectorTest() override {
    reflector_.reset();
    calls_.clear();
    client_.reset();
    server_.reset();
  }

  void Serve(const TransportAcceptor& acceptor) {
    server_.reset();
    server_.emplace(*server_loop_, acceptor, at_);
  }
  void Connect(grpc::Channel::Connect connect, TextSource token = {"secret", ""}) {
    client_.emplace(*loop_, std::move(connect), Client::Options{"kubernetes:443", std::move(token)},
                    [this](const std::string& text) { client_problems_.push_back(text); });
    client_->Start();
  }
  void Connect() {
    Connect([this] { return PlainConnector().Connect(*loop_, at_, {}); });
  }
  void Reflect(const Reflector::Options& options = {}, Form form = Form::kWhole) {
    if (!client_) Connect();
    reflector_.emplace(*loop_, *client_, Resource{kServices, form}, options, seen_);
    reflector_->Start();
  }
  bool Until(const std::function<bool()>& condition, loop::Duration at_most = seconds(120)) {
    return simulation_.RunUntil(condition, at_most) == sim::Simulation::Outcome::kConditionMet;
  }
  bool UntilLog(const Log& log) {
    return Until([&] { return seen_.log == log; });
  }
  void Put(const std::string& name, const std::string& value) {
    server_->Put(kServices, "ns", name, {{"v", value}});
  }
  Answer CallAndWait(const Request& request) {
    std::optional<Answer> answer;
    auto call = client_->Send(request, [&](Answer a) { answer = std::move(a); });
    EXPECT_TRUE(Until([&] { return answer.has_value(); }));
    return answer.value_or(Answer());
  }

  sim::Simulation simulation_;
  int server_host_, host_;
  const SocketAddress at_ = *SocketAddress::ParseWithPort("10.0.0.2:443");
  std::unique_ptr<loop::Loop> server_loop_, loop_;
  std::optional<FakeApiServer> server_;
  std::optional<Client> client_;
  std::vector<std::string> client_problems_;
  std::vector<std::unique_ptr<Call>> calls_;
  Recorder seen_;
  std::optional<Reflector> reflector_;
};

TEST_F(ReflectorTest, ListsInPagesThenWatches) {
  for (const char* name : {"a", "b", "c"}) Put(name, "1");
  Reflect({.page = 2});
  ASSERT_TRUE(UntilLog({"+ns/a=1", "+ns/b=1", "+ns/c=1", "synced"}));
  EXPECT_TRUE(absl::StrContains(server_->requests[1], "&continue=after%2F2"))
      << server_->requests[1];
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  Put("b", "2");
  Put("d", "1");
  server_->Delete(kServices, "ns", "a");
  EXPECT_TRUE(UntilLog({"+ns/a=1", "+ns/b=1", "+ns/c=1", "synced", "+ns/b=2", "+ns/d=1", "-ns/a"}));
  EXPECT_TRUE(seen_.problems.empty());
}

TEST_F(ReflectorTest, LargeObjectsAreListedInSmallerPages) {
  const std::string large(40000, 'x');
  for (const char* name : {"a", "b", "c"}) Put(name, large);
  Client::Options options;
  options.authority = "kubernetes:443";
  options.largest_body = 50000;
  client_.emplace(
      *loop_, [this] { return PlainConnector().Connect(*loop_, at_, {}); }, options,
      [this](const std::string& text) { client_problems_.push_back(text); });
  client_->Start();
  Reflect({.page = 8});
  EXPECT_TRUE(Until([&] { return seen_.log.size() == 4; })) << seen_.log.size();
  EXPECT_EQ(seen_.log.back(), "synced");
  EXPECT_TRUE(seen_.problems.empty());
}

TEST_F(ReflectorTest, AsksForMetadataAlone) {
  std::vector<std::string> accepts;
  server_->script = [&](FakeApiServer::Call& call) {
    accepts.push_back(call.accept);
    return false;
  };
  Reflect({}, Form::kMetadata);
  ASSERT_TRUE(Until([&] { return accepts.size() == 2; }));
  EXPECT_EQ(accepts[0], "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  EXPECT_EQ(accepts[1], "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

TEST_F(ReflectorTest, ReadsTheRowsOfATable) {
  const auto put = [&](const char* name, const Json& status) {
    Json object = Json::object();
    if (!status.is_null()) object["status"] = status;
    server_->Put(kServices, "ns", name, object);
  };
  put("a", {{"podIP", "10.1.0.1"}});
  seen_.fact = [](const Json& object) {
    return TextAt(object, {"cells", "IP"}) + (At(object, {"conditions"}).empty() ? "" : " ended");
  };
  Reflect({}, Form::kTable);
  ASSERT_TRUE(UntilLog({"+ns/a=10.1.0.1", "synced"}));
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  put("b", nullptr);
  put("b", {{"podIP", "10.1.0.2"}});
  put("b", {{"podIP", "10.1.0.2"}, {"phase", "Succeeded"}});
  server_->SendBookmarks();
  server_->Delete(kServices, "ns", "a");
  EXPECT_TRUE(UntilLog({"+ns/a=10.1.0.1", "synced", "+ns/b=<none>", "+ns/b=10.1.0.2",
                        "+ns/b=10.1.0.2 ended", "-ns/a"}));
  EXPECT_TRUE(seen_.problems.empty());
}

TEST_F(ReflectorTest, AListInsteadOfATableIsAProblem) {
  server_->script = [](FakeApiServer::Call& call) {
    call.Answer(200, R"({"kind":"List","items":[]})");
    return true;
  };
  Reflect({}, Form::kTable);
  ASSERT_TRUE(Until([&] { return !seen_.problems.empty(); }));
  EXPECT_EQ(seen_.problems[0], "/api/v1/services: cannot list: the answer is not a table in JSON");
  EXPECT_TRUE(seen_.log.empty());
}

TEST_F(ReflectorTest, AnOrdinaryEndOfAWatchResumesAtTheLastVersion) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  server_->SendBookmarks();  // version 102
  simulation_.RunFor(seconds(1));
  server_->EndWatches();
  Put("b", "1");
  ASSERT_TRUE(UntilLog({"+ns/a=1", "synced", "+ns/b=1"}));
  EXPECT_TRUE(absl::StrContains(server_->requests.back(), "resourceVersion=102&"))
      << server_->requests.back();
  EXPECT_EQ(server_->requests.size(), 3u);  // one listing, two watches
  EXPECT_TRUE(seen_.problems.empty());
}

TEST_F(ReflectorTest, ALostConnectionResumesAtTheLastVersion) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  Put("b", "1");
  ASSERT_TRUE(UntilLog({"+ns/a=1", "synced", "+ns/b=1"}));
  server_->ResetConnections();
  server_->Delete(kServices, "ns", "a");
  EXPECT_TRUE(UntilLog({"+ns/a=1", "synced", "+ns/b=1", "-ns/a"}));
  EXPECT_EQ(server_->requests.size(), 3u);
  EXPECT_EQ(client_problems_.size(), 1u);
}

TEST_F(ReflectorTest, AConnectionThatIsCutInTheMiddleOfAnEventLosesNothing) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  server_->WriteToWatches(kServices, R"({"type":"MODIFIED","object":{"metadata":{"name)");
  simulation_.RunFor(seconds(1));
  server_->ResetConnections();
  Put("a", "2");
  EXPECT_TRUE(UntilLog({"+ns/a=1", "synced", "+ns/a=2"}));
}

TEST_F(ReflectorTest, AfterACompactionTheDifferenceIsListed) {
  for (const char* name : {"a", "b", "c"}) Put(name, "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  server_->ResetConnections();
  Put("a", "2");
  server_->Delete(kServices, "ns", "b");
  server_->Delete(kServices, "ns", "c");
  Put("c", "new");
  server_->Compact();
  EXPECT_TRUE(UntilLog(
      {"+ns/a=1", "+ns/b=1", "+ns/c=1", "synced", "+ns/a=2", "-ns/c", "+ns/c=new", "-ns/b"}));
}

TEST_F(ReflectorTest, AnErrorEventWithStatus410ListsAgain) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  server_->WriteToWatches(kServices, R"({"type":"ERROR","object":{"kind":"Status","code":410}})"
                                     "\n");
  ASSERT_TRUE(Until([&] { return server_->requests.size() == 4; }));
  EXPECT_FALSE(absl::StrContains(server_->requests[2], "watch")) << server_->requests[2];
  EXPECT_EQ(seen_.log, (Log{"+ns/a=1", "synced"}));
  EXPECT_TRUE(seen_.problems.empty());
}

TEST_F(ReflectorTest, MalformedEventsListAgain) {
  const char* const malformed[] = {
      "{\n", "null\n", "[]\n", "{\"type\":\"ADDED\"}\n",
      "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":7}}}\n"};
  Reflect();
  for (const char* line : malformed) {
    seen_.problems.clear();
    ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
    const size_t before = server_->requests.size();
    server_->WriteToWatches(kServices, line);
    ASSERT_TRUE(Until([&] { return server_->requests.size() == before + 2; })) << line;
    EXPECT_FALSE(absl::StrContains(server_->requests[before], "watch"));
    EXPECT_TRUE(seen_.HasProblem("an event is not valid"));
  }
}

TEST_F(ReflectorTest, AnEventBeyondTheLimitIsIgnoredAloud) {
  Reflect({.longest_event = 1000});
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  Put("large", std::string(2000, 'x'));
  Put("small", "1");
  EXPECT_TRUE(UntilLog({"synced", "+ns/small=1"}));
  EXPECT_TRUE(seen_.HasProblem("more than 1000 bytes was ignored"));
}

TEST_F(ReflectorTest, AServerThatAsksToWaitIsWaitedFor) {
  int refused = 0;
  std::vector<loop::Instant> at;
  server_->script = [&](FakeApiServer::Call& call) {
    at.push_back(simulation_.Now());
    if (refused++ > 0) return false;
    call.Answer(429, R"({"message":"slow down"})", {{"retry-after", "7"}});
    return true;
  };
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(UntilLog({"+ns/a=1", "synced"}));
  EXPECT_GE(at[1] - at[0], seconds(7));
  EXPECT_TRUE(seen_.HasProblem("slow down"));
}

TEST_F(ReflectorTest, ARefusalIsTriedAgainWithABackoff) {
  int attempts = 0;
  server_->script = [&](FakeApiServer::Call& call) {
    if (++attempts > 5) return false;
    call.Answer(401, R"({"message":"Unauthorized","reason":"Unauthorized"})");
    return true;
  };
  Reflect();
  ASSERT_TRUE(UntilLog({"synced"}));
  EXPECT_EQ(seen_.problems.size(), 5u);
  EXPECT_TRUE(seen_.HasProblem("/api/v1/services: cannot list: HTTP status 401: Unauthorized"));
}

TEST_F(ReflectorTest, ARefusedWatchIsTriedAgain) {
  bool is_refused = false;
  server_->script = [&](FakeApiServer::Call& call) {
    if (!call.query.contains("watch") || std::exchange(is_refused, true)) return false;
    call.Answer(500, "oops");
    return true;
  };
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  EXPECT_TRUE(seen_.HasProblem("cannot watch: HTTP status 500"));
  EXPECT_EQ(server_->requests.size(), 3u);
}

TEST_F(ReflectorTest, AListThatIsNotJsonIsTriedAgain) {
  int answers = 0;
  server_->script = [&](FakeApiServer::Call& call) {
    if (++answers > 2) return false;
    call.Answer(200, answers == 1 ? "<html>" : "{\"items\":7}");
    return true;
  };
  Reflect();
  ASSERT_TRUE(UntilLog({"synced"}));
  EXPECT_EQ(seen_.problems.size(), 2u);
}

TEST_F(ReflectorTest, ASlowServerIsGivenUpAndAskedAgain) {
  bool is_silent = true;
  server_->script = [&](FakeApiServer::Call&) { return std::exchange(is_silent, false); };
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(UntilLog({"+ns/a=1", "synced"}));
  EXPECT_TRUE(seen_.HasProblem("did not answer in time"));
}

TEST_F(ReflectorTest, APageThatIsGoneBeginsTheListingAgain) {
  for (const char* name : {"a", "b", "c"}) Put(name, "1");
  bool is_expired = false;
  server_->script = [&](FakeApiServer::Call& call) {
    if (!call.query.contains("continue") || std::exchange(is_expired, true)) return false;
    server_->Delete(kServices, "ns", "a");
    call.Answer(410, R"({"reason":"Expired","message":"continue is too old"})");
    return true;
  };
  Reflect({.page = 2});
  EXPECT_TRUE(UntilLog({"+ns/a=1", "+ns/b=1", "+ns/c=1", "-ns/a", "synced"}));
}

TEST_F(ReflectorTest, AQuietConnectionThatIsDeadIsNoticed) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  simulation_.Partition(server_host_, host_, seconds(200));
  EXPECT_TRUE(Until([&] { return !client_problems_.empty(); }, seconds(40)));
}

TEST_F(ReflectorTest, AServerThatAnnouncesItsEndIsLeftForTheNextCall) {
  Put("a", "1");
  Reflect();
  ASSERT_TRUE(Until([&] { return server_->watches() == 1; }));
  server_->AnnounceEnd();
  simulation_.RunFor(seconds(3));
  const Answer refused = CallAndWait({"GET", kServices});
  EXPECT_EQ(refused.error, "not connected to the API server");
  ASSERT_TRUE(Until([&] { return client_->ready() && server_->watches() == 1; }));
  EXPECT_TRUE(CallAndWait({"GET", kServices}).ok());
  Put("b", "1");
  EXPECT_TRUE(UntilLog({"+ns/a=1", "synced", "+ns/b=1"}));
}

TEST_F(ReflectorTest, ThroughFaultsOfTheNetworkTheEndIsTheSame) {
  std::map<std::string, std::string> truth = {{"ns/a", "1"}, {"ns/last", "1"}};
  Put("a", "1");
  Reflect();
  for (int round = 0; round < 20; ++round) {
    simulation_.RunFor(seconds(1));
    const std::string put = absl::StrCat("n", round % 5);
    Put(put, absl::StrCat(round));
    truth["ns/" + put] = absl::StrCat(round);
    if (round % 3 == 0) server_->ResetConnections();
    if (round % 7 == 0) server_->Compact();
    if (round % 4 != 0) continue;
    const std::string gone = absl::StrCat("n", (round + 1) % 5);
    server_->Delete(kServices, "ns", gone);
    truth.erase("ns/" + gone);
  }
  Put("last", "1");
  ASSERT_TRUE(Until([&] { return !seen_.log.empty() && seen_.log.back() == "+ns/last=1"; }));
  std::map<std::string, std::string> state;
  for (const std::string& event : seen_.log) {
    const size_t mark = event.find('=');
    if (event[0] == '+') state[event.substr(1, mark - 1)] = event.substr(mark + 1);
    if (event[0] == '-') state.erase(event.substr(1));
  }
  EXPECT_EQ(state, truth);
}

TEST_F(ReflectorTest, CallsCarryTheTokenThatTheFileHasThen) {
  const std::string path = ::testing::TempDir() + "/token";
  const auto write = [&](const char* text) { std::ofstream(path) << text; };
  std::string seen;
  server_->script = [&](FakeApiServer::Call& call) {
    seen = call.authorization + " " + call.method + " " + call.body;
    call.Answer(201, "{}");
    return true;
  };
  write("first");
  Connect([this] { return PlainConnector().Connect(*loop_, at_, {}); }, {"", path});
  ASSERT_TRUE(Until([&] { return client_->ready(); }));
  EXPECT_EQ(CallAndWait(Create("/x", "{\"a\":1}")).status, 201);
  EXPECT_EQ(seen, "Bearer first POST {\"a\":1}");
  write("second");
  EXPECT_EQ(CallAndWait(MergePatch("/x/y", "{\"a\":2}")).status, 201);
  EXPECT_EQ(seen, "Bearer second PATCH {\"a\":2}");
  CallAndWait(Apply("/x/y", "{}", "tulle"));
  EXPECT_EQ(server_->requests.back(), "PATCH /x/y?force=true&fieldManager=tulle");
}

class DialerTest : public ReflectorTest {
 protected:
  DialerTest()
      : ca_("cluster.local", 1, std::chrono::system_clock::to_time_t(simulation_.WallNow()),
            certs::testing::TestKeys::kSeeded) {
    certs::testing::TestIdentity identity = ca_.WebServer("kubernetes");
    tls::ServerTlsSpec spec;
    spec.identity =
        std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{identity.chain, identity.key});
    spec.alpn = {"h2"};
    acceptor_ = *tls::SimTransports().NewAcceptor(spec);
    Serve(*acceptor_);
    simulation_.AddName("api.example.org", {"10.0.0.2"});
  }
  void Dial(const std::string& host, const std::string& server_name) {
    Cluster cluster{host, 443, server_name, {ca_.AnyDomainBundle().ToPem(), ""}};
    dialer_.emplace(*loop_, tls::SimTransports(), cluster,
                    [this](const std::string& text) { client_problems_.push_back(text); });
    Connect([this] { return dialer_->Dial(); });
  }
  ~DialerTest() override { client_.reset(); }

  certs::testing::TestCa ca_;
  std::shared_ptr<const tls::SecureAcceptor> acceptor_;
  std::optional<Dialer> dialer_;
};

TEST_F(DialerTest, ConnectsByNameToAServerOfTheClustersAuthority) {
  Dial("api.example.org", "kubernetes");
  Put("a", "1");
  Reflect();
  EXPECT_TRUE(UntilLog({"+ns/a=1", "synced"}));
}

TEST_F(DialerTest, AServerWithAnotherNameIsRefused) {
  Dial("10.0.0.2", "10.0.0.2");
  simulation_.RunFor(seconds(5));
  EXPECT_FALSE(client_->ready());
  ASSERT_FALSE(client_problems_.empty());
  EXPECT_TRUE(absl::StrContains(client_problems_[0], "peer")) << client_problems_[0];
}

TEST_F(DialerTest, AnUnknownNameIsReported) {
  Dial("nowhere", "nowhere");
  simulation_.RunFor(seconds(5));
  ASSERT_FALSE(client_problems_.empty());
  EXPECT_TRUE(absl::StrContains(client_problems_[0], "cannot resolve the API server nowhere"));
}

}  // namespace
}  // namespace tulle::k8s
