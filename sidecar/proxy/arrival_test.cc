// Redirected connections: where they go, and who of client and server speaks first.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/policy/authorization.h"
#include "sidecar/proxy/destinations.h"
#include "sidecar/proxy/testing/tcp_world.h"
#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::TestEnd;

const SocketAddress kVip = *SocketAddress::Parse("240.240.0.5", 6379);

class ArrivalTest : public testing::TcpWorld {
 protected:
  ArrivalTest() {
    services_.destinations = &destinations_;
    backend_.on_accept = [this](TestEnd& end) {
      accepted_at_.push_back(loop_->Now() - began_);
      end.on_ready = [this, &end] {
        end.transport().EnableRead(true);
        if (!greeting_.empty()) end.Send(greeting_);
      };
    };
  }
  ~ArrivalTest() override {
    client_.Close(false);
    backend_.ends.clear();
    entrance_.clear();
    targets_.clear();
    listener_.reset();
  }

  // The listener that redirected connections come to; what stays here is relayed to them.
  void OpenEntrance(config::Direction direction = config::Direction::kOutbound) {
    config::ListenerSpec spec = *Spec();
    spec.name = "entrance";
    spec.direction = direction;
    spec.restore_destination = spec.hand_off = true;
    entrance_.push_back(
        std::make_unique<ActiveListener>(services_, std::make_shared<config::ListenerSpec>(spec)));
    int error = 0;
    ASSERT_TRUE(entrance_.front()->Listen(&error));
    simulation_.Redirect(host_, kVip, entrance_.front()->local_address());
  }
  // A listener of that destination, with a chain for HTTP beside the one for bytes.
  std::shared_ptr<config::ListenerSpec> Detecting() const {
    auto spec = std::make_shared<config::ListenerSpec>(*Spec());
    spec->name = "240.240.0.5_6379";
    spec->address = kVip;
    spec->bind = false;
    spec->inspect_tls = spec->inspect_http = true;
    spec->continue_on_inspection_timeout = true;
    auto http = std::make_shared<config::FilterChainSpec>();
    config::HttpSpec manager;
    route::RouteTableSpec table;
    manager.routes = *route::RouteTable::Compile(table);
    http->proxy = manager;
    http->match.application_protocols = {"http/1.0", "http/1.1", "h2c"};
    spec->chains.push_back(http);
    return spec;
  }
  void AddTarget(std::shared_ptr<const config::ListenerSpec> spec) {
    targets_.push_back(std::make_unique<ActiveListener>(services_, std::move(spec)));
    destinations_.Rebuild(targets_);
  }
  void Race() {
    PutCluster({backend_.address()});
    OpenEntrance();
    AddTarget(Detecting());
  }
  void DialVip(TestEnd& client, loop::Duration wait = milliseconds(100)) {
    client.on_ready = [&client] { client.transport().EnableRead(true); };
    began_ = loop_->Now();
    client.Take(PlainConnector().Connect(*loop_, kVip, {}));
    Pass(wait);
  }
  void ServeOnDemand() {
    destinations_.Serve({{policy::Cidr{*SocketAddress::Parse("240.240.0.0", 0), 16}},
                         [this](const SocketAddress& one) { asked_.push_back(one); }});
  }

  Destinations destinations_{*loop_, deadlines_};
  std::vector<std::unique_ptr<ActiveListener>> entrance_;
  std::vector<std::unique_ptr<ActiveListener>> targets_;
  std::vector<SocketAddress> asked_;
  std::vector<loop::Duration> accepted_at_;
  loop::Instant began_{};
  std::string greeting_;
};

TEST_F(ArrivalTest, GoesToTheListenerOfItsDestination) {
  PutCluster({backend_.address()});
  OpenEntrance();
  auto spec = std::make_shared<config::ListenerSpec>(*Spec());
  spec->address = kVip;
  spec->bind = false;
  AddTarget(spec);
  DialVip(client_);
  client_.Send("hello");
  Pass();
  ASSERT_EQ(backend_.ends.size(), 1u);
  EXPECT_EQ(server().received.ToString(), "hello");
  client_.Close(false);
  backend_.ends.front()->Close(false);
  Pass();
  ASSERT_EQ(watcher_.ended.size(), 1u);
  EXPECT_EQ(record().downstream_local, kVip);
}

TEST_F(ArrivalTest, WhatNoListenerTakesGoesWhereItWantedTo) {
  cluster_.original_destination = true;
  cluster_.source_address = *SocketAddress::Parse("127.0.0.6", 0);
  PutCluster({});
  OpenEntrance();
  simulation_.Redirect(host_, backend_.address(), entrance_.front()->local_address());
  client_.Take(PlainConnector().Connect(*loop_, backend_.address(), {}));
  Pass();
  client_.Send("hello");
  Pass();
  ASSERT_EQ(backend_.ends.size(), 1u);
  EXPECT_EQ(server().received.ToString(), "hello");
  EXPECT_EQ(server().transport().PeerAddress().host(), "127.0.0.6");
  EXPECT_EQ(clusters_.Find("c")->Endpoints().size(), 0u);
}

TEST_F(ArrivalTest, Fault48_WhoCallsTheEntranceItselfIsRefused) {
  PutCluster({backend_.address()});
  OpenEntrance();
  client_.Take(PlainConnector().Connect(*loop_, entrance_.front()->local_address(), {}));
  Pass();
  EXPECT_EQ(watcher_.refused, std::vector{Refusal::kLoop});
  EXPECT_TRUE(client_.failure);
  EXPECT_TRUE(backend_.ends.empty());
}

TEST_F(ArrivalTest, Fault79_InboundADestinationOfAnotherHostIsRefused) {
  PutCluster({backend_.address()});
  OpenEntrance(config::Direction::kInbound);
  DialVip(client_);  // 240.240.0.5 is nobody's here
  EXPECT_EQ(watcher_.refused, std::vector{Refusal::kLoop});
  EXPECT_TRUE(backend_.ends.empty());
}

TEST_F(ArrivalTest, UnknownDestinationIsAskedForOnceAndServedWhenItsListenerComes) {
  PutCluster({backend_.address()});
  OpenEntrance();
  ServeOnDemand();
  TestEnd other(*loop_);
  DialVip(client_);
  DialVip(other);
  client_.Send("hello");
  Pass();
  EXPECT_EQ(asked_, std::vector{kVip});
  EXPECT_TRUE(backend_.ends.empty());
  auto spec = std::make_shared<config::ListenerSpec>(*Spec());
  spec->address = kVip;
  spec->bind = false;
  AddTarget(spec);
  Pass();
  ASSERT_EQ(backend_.ends.size(), 2u);  // in either order
  EXPECT_EQ(backend_.ends[0]->received.ToString() + backend_.ends[1]->received.ToString(), "hello");
  EXPECT_TRUE(watcher_.refused.empty());
}

TEST_F(ArrivalTest, UnknownDestinationInTheMeshIsRefusedAndTheMissRemembered) {
  PutCluster({backend_.address()});
  OpenEntrance();
  ServeOnDemand();
  DialVip(client_);
  destinations_.Answer(kVip, DestinationAnswer::kNone);
  Pass();
  EXPECT_EQ(watcher_.refused, std::vector{Refusal::kUnknownDestination});
  TestEnd again(*loop_);
  DialVip(again);
  EXPECT_EQ(watcher_.refused.size(), 2u);
  EXPECT_EQ(asked_.size(), 1u);
  Pass(seconds(10));
  TestEnd later(*loop_);
  DialVip(later);
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(ArrivalTest, AnAnswerThatDoesNotComeIsNotWaitedForForEver) {
  PutCluster({backend_.address()});
  OpenEntrance();
  ServeOnDemand();
  DialVip(client_);
  Pass(seconds(4));
  EXPECT_EQ(watcher_.refused, std::vector{Refusal::kUnknownDestination});
}

TEST_F(ArrivalTest, WhatWaitsGoesWithItsListener) {
  PutCluster({backend_.address()});
  OpenEntrance();
  ServeOnDemand();
  DialVip(client_);
  entrance_.front()->Drain();
  Pass();
  EXPECT_EQ(watcher_.refused.size(), 1u);
  Pass(seconds(10));
}

TEST_F(ArrivalTest, Fault78_ServerThatSpeaksFirstIsDialledAfterTenMillisecondsThenAtOnce) {
  greeting_ = "220 hello\r\n";
  Race();
  DialVip(client_);
  ASSERT_EQ(accepted_at_.size(), 1u);
  EXPECT_GE(accepted_at_[0], milliseconds(10));
  EXPECT_LT(accepted_at_[0], milliseconds(14));  // three one-way delays of the network are in it
  EXPECT_EQ(client_.received.ToString(), greeting_);
  client_.Send("EHLO me\r\n");
  Pass();
  EXPECT_EQ(server().received.ToString(), "EHLO me\r\n");
  EXPECT_EQ(watcher_.opened, 1);

  TestEnd second(*loop_);
  DialVip(second);
  ASSERT_EQ(accepted_at_.size(), 2u);
  EXPECT_LT(accepted_at_[1], milliseconds(4));
  EXPECT_EQ(second.received.ToString(), greeting_);

  Pass(std::chrono::minutes(10));
  TestEnd late(*loop_);
  DialVip(late);
  EXPECT_GE(accepted_at_[2], milliseconds(10));
}

TEST_F(ArrivalTest, ClientThatSpeaksFirstIsRelayedAtOnce) {
  Race();
  client_.on_ready = [this] {
    client_.transport().EnableRead(true);
    client_.Send("*1\r\n$4\r\nPING\r\n");
  };
  began_ = loop_->Now();
  client_.Take(PlainConnector().Connect(*loop_, kVip, {}));
  Pass();
  ASSERT_EQ(accepted_at_.size(), 1u);
  EXPECT_LT(accepted_at_[0], milliseconds(5));
  EXPECT_EQ(server().received.ToString(), "*1\r\n$4\r\nPING\r\n");
}

TEST_F(ArrivalTest, ClientThatSpeaksHttpLateGetsHttpAndTheServerNotAByte) {
  Race();
  DialVip(client_);
  ASSERT_EQ(backend_.ends.size(), 1u);  // dialled ahead
  client_.Send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  Pass();
  EXPECT_TRUE(client_.received.ToString().starts_with("HTTP/1.1 404"));
  EXPECT_EQ(server().received.ToString(), "");
  EXPECT_TRUE(server().ended || server().failure);
  EXPECT_EQ(watcher_.opened, 0);
  EXPECT_TRUE(watcher_.ended.empty());
  EXPECT_EQ(limits_->connections.count(), 0u);
}

TEST_F(ArrivalTest, RememberedServerDoesNotOverruleAClientThatSpeaksHttp) {
  greeting_ = "220 hello\r\n";
  Race();
  DialVip(client_);
  greeting_.clear();
  TestEnd second(*loop_);
  DialVip(second, milliseconds(5));
  second.Send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  Pass();
  EXPECT_TRUE(second.received.ToString().starts_with("HTTP/1.1 404"));
}

TEST_F(ArrivalTest, ServerThatCannotBeReachedEndsASilentClientSoon) {
  Race();
  backend_.Close();
  DialVip(client_);
  EXPECT_FALSE(client_.failure);
  Pass(seconds(2));
  EXPECT_TRUE(client_.failure || client_.ended);
  EXPECT_EQ(watcher_.ended.size(), 1u);
}

TEST_F(ArrivalTest, ClientThatLeavesDuringTheRaceTakesTheDialWithIt) {
  Race();
  DialVip(client_);
  client_.Close(true);
  Pass();
  EXPECT_TRUE(server().ended || server().failure);
  EXPECT_TRUE(targets_.front()->connections().idle());
  EXPECT_EQ(limits_->connections.count(), 0u);
}

TEST_F(ArrivalTest, RulesThatChangeBeforeTheClientSpeaksAreAskedAgain) {
  chain_.name = "bytes";
  chain_.key = 1;
  Race();
  DialVip(client_);
  ASSERT_EQ(backend_.ends.size(), 1u);
  policy::AuthorizationSpec nobody;
  nobody.rules.emplace();  // that allow nothing
  chain_.authorization = {*policy::Authorization::Compile(nobody)};
  chain_.key = 2;
  targets_.front()->Update(Detecting());
  client_.Send("anything\r\n");
  Pass(seconds(6));
  EXPECT_EQ(watcher_.opened, 0);
  EXPECT_TRUE(server().received.empty());
  EXPECT_TRUE(client_.failure);
}

TEST_F(ArrivalTest, RulesAreAskedBeforeTheServerIsDialled) {
  policy::AuthorizationSpec nobody;
  nobody.rules.emplace();  // that allow nothing
  chain_.authorization = {*policy::Authorization::Compile(nobody)};
  greeting_ = "220 hello\r\n";
  Race();
  DialVip(client_);
  EXPECT_TRUE(backend_.ends.empty());
  client_.Send("anything\r\n");
  Pass();
  EXPECT_TRUE(backend_.ends.empty());
  EXPECT_TRUE(client_.failure);
}

TEST_F(ArrivalTest, EachDetectionIsTold) {
  using enum DetectionVerdict;
  greeting_ = "220 ready\r\n";
  Race();
  DialVip(client_);
  EXPECT_EQ(watcher_.detections, (std::vector<DetectionVerdict>{kServerFirst}));
  greeting_.clear();
  TestEnd http(*loop_);
  DialVip(http, milliseconds(1));
  http.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Pass();
  EXPECT_EQ(watcher_.detections, (std::vector<DetectionVerdict>{kServerFirst, kHttp1}));
  EXPECT_TRUE(watcher_.undetected.empty());
  http.Close(false);
}

// A health check of TCP that connects and closes is counted, and not worth a line in the log.
TEST_F(ArrivalTest, Fault32_WhatCouldNotBeDetectedIsTold) {
  using enum DetectionVerdict;
  listener_spec_.inspect_tls = true;
  listener_spec_.inspection_timeout = seconds(2);
  chain_.match.transport_protocol = "tls";
  Listen();
  Dial();
  client_.Close(false);
  Pass();
  EXPECT_EQ(watcher_.detections, (std::vector<DetectionVerdict>{kClosed}));
  EXPECT_TRUE(watcher_.undetected.empty());
  for (const std::string& bytes : {std::string("\x16\x03", 2), std::string()}) {
    TestEnd silent(*loop_);
    silent.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
    Pass();
    if (!bytes.empty()) silent.Send(bytes);
    Pass(seconds(3));
    silent.Close(false);
  }
  TestEnd broken(*loop_);
  broken.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
  Pass();
  broken.Send(std::string("\x16\x03\x01\x00\x05hello", 10));
  Pass();
  TestEnd leaving(*loop_);
  leaving.Take(PlainConnector().Connect(*loop_, listener_->local_address(), {}));
  Pass();
  leaving.Send(std::string("\x16\x03", 2));
  Pass();
  leaving.Close(false);
  Pass();
  EXPECT_EQ(watcher_.detections,
            (std::vector<DetectionVerdict>{kClosed, kTimeout, kTimeout, kMalformedTls, kClosed}));
  std::vector<std::string> details;
  for (const BrokenConnection& one : watcher_.undetected) {
    details.emplace_back(one.failure.detail);
    EXPECT_EQ(one.local, listener_->local_address());
    EXPECT_TRUE(one.remote.is_set());
  }
  EXPECT_EQ(details,
            (std::vector<std::string>{
                "protocol_detection_failed{timeout}", "protocol_detection_failed{timeout}",
                "protocol_detection_failed{malformed_tls}", "protocol_detection_failed{closed}"}));
  broken.Close(false);
}

}  // namespace
}  // namespace tulle::proxy
