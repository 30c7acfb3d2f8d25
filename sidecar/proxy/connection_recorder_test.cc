#include "sidecar/proxy/connection_recorder.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "net/loop/uv/uv_loop.h"
#include "sidecar/proxy/failures.h"

namespace tulle::proxy {
namespace {

using recorder::Text;
using std::chrono::milliseconds;

class ConnectionRecorderTest : public testing::Test {
 protected:
  ConnectionRecorderTest() {
    auto made = std::make_shared<config::FilterChainSpec>();
    made->service = "redis.shop.svc.cluster.local";
    chain_ = std::move(made);
    peer_.spiffe_id = "spiffe://mesh/ns/shop/sa/web";
    relay_.started = loop::Instant(milliseconds(1000));
    relay_.ended = loop::Instant(milliseconds(1250));
    relay_.cluster = "inbound|6379||";
    relay_.upstream = SocketAddress::Loopback4(6379);
    relay_.received = 11;
    relay_.sent = 279;
  }
  recorder::Record End(Failure failure = {}) {
    relay_.failure = failure;
    const EndedRelay ended{{chain_, config::Direction::kInbound, &peer_, true,
                            SocketAddress::Loopback4(1234), SocketAddress::Loopback4(15006), ""},
                           nullptr,
                           relay_,
                           std::chrono::system_clock::time_point(milliseconds(5000))};
    recorder_.Write(ended, std::chrono::system_clock::time_point(milliseconds(7)));
    return *worker_.ring.Read(worker_.ring.next() - 1);
  }

  std::unique_ptr<loop::Loop> loop_ = loop::NewUvLoop();
  recorder::WorkerRecorder worker_{0};
  ConnectionRecorder recorder_{*loop_, &worker_};
  std::shared_ptr<const config::FilterChainSpec> chain_;
  PeerIdentity peer_;
  RelayRecord relay_;
};

TEST_F(ConnectionRecorderTest, AConnectionIsARecordWithAnIdOfItsOwn) {
  const recorder::Record record = End();
  EXPECT_EQ(record[Text::kMethod], "TCP");
  EXPECT_EQ(record[Text::kService], "redis.shop.svc.cluster.local");
  EXPECT_EQ(record[Text::kSource], "spiffe://mesh/ns/shop/sa/web");
  EXPECT_EQ(record[Text::kCluster], "inbound|6379||");
  EXPECT_EQ(record[Text::kAuthority], "127.0.0.1:15006");
  EXPECT_EQ(record[Text::kCause], "");
  EXPECT_EQ(record.source_address(), "127.0.0.1:1234");
  EXPECT_EQ(record.endpoint(), "127.0.0.1:6379");
  EXPECT_EQ(record.numbers().request_bytes, 11);
  EXPECT_EQ(record.numbers().response_bytes, 279);
  EXPECT_EQ(record.numbers().wall_started, 4'750'000'000);
  EXPECT_EQ(record.numbers().configured, 7'000'000);
  EXPECT_EQ(record.numbers().ended, 250'000'000);
  EXPECT_TRUE(record.Has(recorder::kMutualTls));
  EXPECT_FALSE(record.Has(recorder::kOutbound));
  EXPECT_FALSE(record.Has(recorder::kFailed));
  const std::string id(record[Text::kRequestId]);
  EXPECT_TRUE(id.starts_with("tcp-")) << id;
  EXPECT_EQ(id.size(), 20);
  EXPECT_NE(End()[Text::kRequestId], id);
  EXPECT_EQ(worker_.ring.failed(), 0);
}

TEST_F(ConnectionRecorderTest, ADenialIsKeptWithThePolicy) {
  relay_.policy = "shop/only-cart[0]";
  const recorder::Record record = End({failures::kDenied});
  EXPECT_TRUE(record.Has(recorder::kFailed));
  EXPECT_EQ(record[Text::kCause], "denied");
  EXPECT_EQ(record[Text::kFlag], "UAEX");
  EXPECT_EQ(record[Text::kPolicy], "shop/only-cart[0]");
  const auto explanation = worker_.ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  const auto decisions = explanation->decisions();
  ASSERT_EQ(decisions.size(), 1);
  EXPECT_EQ(decisions[0].kind, recorder::DecisionKind::kAuthorization);
  EXPECT_EQ(decisions[0].subject, "shop/only-cart[0]");
  EXPECT_FALSE(decisions[0].positive);
}

TEST_F(ConnectionRecorderTest, WhatTheClientEndedHasNotFailed) {
  EXPECT_TRUE(End({FailureKind::kConnectRefused}).Has(recorder::kFailed));
  for (const FailureKind kind :
       {FailureKind::kDownstreamClosed, FailureKind::kDraining, failures::kStreamIdleTimeout}) {
    const recorder::Record record = End({kind});
    EXPECT_FALSE(record.Has(recorder::kFailed)) << kind.facts().cause;
    EXPECT_EQ(record[Text::kCause], kind.facts().cause);
  }
  relay_.reset_after_end = true;
  const recorder::Record record = End({FailureKind::kUpstreamReset});
  EXPECT_FALSE(record.Has(recorder::kFailed));
  EXPECT_EQ(record[Text::kCause], "");
}

TEST_F(ConnectionRecorderTest, RefusedPlaintextIsRecordedWithinABudget) {
  UnmatchedConnection refused;
  refused.remote = SocketAddress::Loopback4(1234);
  refused.plaintext_refused = true;
  refused.policy = "shop/strict:STRICT";
  refused.service = "cart.shop.svc.cluster.local";
  for (int i = 0; i < 100; ++i) recorder_.Write(refused);
  EXPECT_EQ(worker_.ring.next(), ConnectionRecorder::kRefusals.tokens);
  const auto record = worker_.ring.Read(0);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->Has(recorder::kFailed));
  EXPECT_EQ((*record)[Text::kCause], "plaintext_refused");
  EXPECT_EQ((*record)[Text::kPolicy], "shop/strict:STRICT");
  EXPECT_EQ((*record)[Text::kService], "cart.shop.svc.cluster.local");
  EXPECT_EQ(record->source_address(), "127.0.0.1:1234");
}

TEST_F(ConnectionRecorderTest, WithoutARecorderNothingIsDone) {
  ConnectionRecorder(*loop_, nullptr).Write(UnmatchedConnection());
  EXPECT_EQ(worker_.ring.next(), 0);
}

}  // namespace
}  // namespace tulle::proxy
