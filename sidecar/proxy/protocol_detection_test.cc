#include "sidecar/proxy/protocol_detection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "net/loop/sim/simulation.h"
#include "net/socket/transports.h"
#include "net/tls/sim_transports.h"
#include "net/tls/testing/secure_pair.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using tls::testing::TestEnd;

class DetectionTest : public testing::Test,
                      public loop::ListenerEvents,
                      public ProtocolDetectionOwner {
 protected:
  DetectionTest() {
    int error = 0;
    listener_ = loop_->Listen(SocketAddress::Loopback4(0), {}, *this, &error);
  }
  ~DetectionTest() override {
    client_.Close(false);
    running_.reset();
    listener_.reset();
    loop_->Post([] {});
    Pass(milliseconds(1));
  }

  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    running_ = std::make_unique<ProtocolDetection>(*this, *loop_, deadlines_, std::move(socket));
    ProtocolDetection::Options options;
    options.timeout = seconds(15);
    options.decide_at_timeout = decide_at_timeout_;
    options.inspect_http = inspect_http_;
    running_->Start(options);
  }
  void OnDetected(ProtocolDetection& detection) override {
    ++detected_;
    verdict_ = detection.verdict;
    offer_ = detection.offer;
    early_ = detection.early.ToString();
    has_socket_ = detection.socket != nullptr;
    loop_->DeferDelete(std::move(running_));
  }
  void OnDetectionFailed(ProtocolDetection& detection) override {
    ++failed_;
    verdict_ = detection.verdict;
    loop_->DeferDelete(std::move(running_));
  }

  // A client that sends these pieces, one after the other.
  void Speak(const std::vector<std::string>& pieces) {
    client_.Take(PlainConnector().Connect(*loop_, listener_->LocalAddress(), {}));
    Pass(milliseconds(10));
    for (const std::string& piece : pieces) {
      client_.Send(piece);
      Pass(milliseconds(10));
    }
  }
  void Pass(loop::Duration time) { simulation_.RunFor(time); }

  sim::Simulation simulation_{5};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  loop::Deadlines deadlines_{*loop_};
  std::unique_ptr<loop::Listener> listener_;
  std::unique_ptr<ProtocolDetection> running_;
  TestEnd client_{*loop_};
  bool decide_at_timeout_ = false;
  bool inspect_http_ = false;
  DetectionVerdict verdict_{};
  int detected_ = 0, failed_ = 0;
  bool has_socket_ = false;
  Offer offer_;
  std::string early_;
};

TEST_F(DetectionTest, HelloSaysWhatIsOfferedAndIsHandedOnWhole) {
  tls::ClientTlsSpec spec;
  spec.sni = "outbound_.80_._.web.default";
  spec.alpn = {"istio-h2", "h2"};
  client_.Take(
      (*tls::SimTransports().NewConnector(spec))->Connect(*loop_, listener_->LocalAddress(), {}));
  Pass(milliseconds(10));
  ASSERT_EQ(detected_, 1);
  EXPECT_TRUE(offer_.is_tls);
  EXPECT_EQ(verdict_, DetectionVerdict::kTls);
  EXPECT_EQ(offer_.server_name, "outbound_.80_._.web.default");
  EXPECT_EQ(offer_.application_protocols, (std::vector<std::string>{"istio-h2", "h2"}));
  EXPECT_TRUE(has_socket_);

  // The same in pieces of one byte.
  const std::string hello = early_;
  ASSERT_EQ(hello[0], 0x16);
  client_.Close(false);
  offer_ = {};
  std::vector<std::string> pieces;
  for (const char byte : hello) pieces.emplace_back(1, byte);
  TestEnd slow(*loop_);
  slow.Take(PlainConnector().Connect(*loop_, listener_->LocalAddress(), {}));
  Pass(milliseconds(10));
  for (const std::string& piece : pieces) {
    EXPECT_EQ(detected_, 1);
    slow.Send(piece);
    Pass(milliseconds(10));
  }
  EXPECT_EQ(detected_, 2);
  EXPECT_EQ(early_, hello);
  EXPECT_EQ(offer_.application_protocols.size(), 2u);
}

TEST_F(DetectionTest, PlaintextIsToldByItsFirstByteAndLosesNone) {
  Speak({"GET / HTTP/1.1\r\n"});
  ASSERT_EQ(detected_, 1);
  EXPECT_FALSE(offer_.is_tls);
  EXPECT_EQ(early_, "GET / HTTP/1.1\r\n");
  EXPECT_EQ(verdict_, DetectionVerdict::kNotTls);
}

TEST_F(DetectionTest, TheVerdictSaysWhatWasSeen) {
  inspect_http_ = true;
  using enum DetectionVerdict;
  for (const auto& [text, verdict] :
       {std::pair("GET / HTTP/1.1\r\n\r\n", kHttp1), std::pair("GET / HTTP/1.0\r\n\r\n", kHttp1),
        std::pair("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kHttp2), std::pair("\x03 bytes\n", kTcp)}) {
    Speak({text});
    EXPECT_EQ(verdict_, verdict) << text;
    client_.Close(false);
    client_.ready = false;
    Pass(milliseconds(10));
  }
}

TEST_F(DetectionTest, Fault32_WhatLooksLikeTlsAndIsNotIsRefused) {
  Speak({std::string("\x16\x03\x01\x00\x05hello", 10)});
  EXPECT_EQ(detected_, 0);
  EXPECT_EQ(failed_, 1);
  EXPECT_EQ(verdict_, DetectionVerdict::kMalformedTls);
}

TEST_F(DetectionTest, Fault32_HelloWithoutEndIsBounded) {
  // A handshake message that says it has 1 MiB.
  std::string record("\x16\x03\x01\x40\x00", 5);
  std::string first = record + std::string("\x01\x0f\xff\xff\x03\x03", 6);
  first.append(0x4000 - 6, 'r');
  record.append(0x4000, 'r');
  Speak({first, record, record, record, record, record});
  EXPECT_EQ(detected_, 0);
  EXPECT_EQ(failed_, 1);
}

TEST_F(DetectionTest, Fault32_SilenceEndsWithTheTimeLimit) {
  Speak({std::string("\x16\x03", 2)});
  Pass(seconds(14));
  EXPECT_EQ(failed_, 0);
  Pass(seconds(2));
  EXPECT_EQ(failed_, 1);
  EXPECT_EQ(verdict_, DetectionVerdict::kTimeout);
  EXPECT_EQ(detected_, 0);
}

TEST_F(DetectionTest, SilenceCountsAsPlaintextWhereTheListenerSaysSo) {
  decide_at_timeout_ = true;
  Speak({});
  Pass(seconds(16));
  ASSERT_EQ(detected_, 1);
  EXPECT_FALSE(offer_.is_tls);
  EXPECT_EQ(verdict_, DetectionVerdict::kTimeout);
  EXPECT_EQ(failed_, 0);
}

TEST_F(DetectionTest, PeerThatLeavesIsForgotten) {
  Speak({});
  client_.Close(false);
  Pass(milliseconds(10));
  EXPECT_EQ(failed_, 1);
  EXPECT_EQ(verdict_, DetectionVerdict::kClosed);
  EXPECT_EQ(detected_, 0);
}

}  // namespace
}  // namespace tulle::proxy
