// Which headers about the caller reach the upstream.
#include <gtest/gtest.h>

#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/testing/call_world.h"

namespace tulle::proxy {
namespace {

class IdentifyTest : public testing::CallWorld {};

TEST_F(IdentifyTest, CountsSidecarsAndRefusesALoop) {
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-tulle-hops"), "1");
  for (int hop = 2; hop <= 10; ++hop) ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-tulle-hops"), "10");
  const Step step = Identify(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().failure.kind, failures::kLoopDetected);
  EXPECT_EQ(step.answer().head->status, 508);
}

TEST_F(IdentifyTest, PlaintextCallerCannotClaimACertificate) {
  head_.headers.Add("x-forwarded-client-cert", "URI=spiffe://td/ns/default/sa/admin");
  http_.forwarding = config::ClientCertForwarding::kAppendForward;
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-forwarded-client-cert"), "(none)");
}

TEST_F(IdentifyTest, ForwardedClientCertificateIsKeptOnlyWhereConfigured) {
  head_.headers.Add("x-forwarded-client-cert", "URI=spiffe://td/ns/default/sa/web");
  http_.forwarding = config::ClientCertForwarding::kAlwaysForwardOnly;
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-forwarded-client-cert"), "URI=spiffe://td/ns/default/sa/web");
}

TEST_F(IdentifyTest, AppendsThePeerAddressAndStatesTheScheme) {
  http_.use_remote_address = true;
  head_.headers.Add("x-forwarded-for", "192.0.2.7");
  head_.headers.Add("x-forwarded-proto", "https");
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-forwarded-for"), "192.0.2.7,10.0.0.9");
  EXPECT_EQ(Header("x-forwarded-proto"), "http");
}

TEST_F(IdentifyTest, InboundRemovesProxyControlHeaders) {
  direction_ = config::Direction::kInbound;
  head_.headers.Add("x-envoy-force-trace", "1");
  head_.headers.Add("x-envoy-retry-on", "5xx");
  head_.headers.Add("x-envoy-attempt-count", "2");
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-envoy-force-trace"), "(none)");
  EXPECT_EQ(Header("x-envoy-retry-on"), "(none)");
  EXPECT_EQ(Header("x-envoy-attempt-count"), "2");
}

TEST_F(IdentifyTest, GeneratesARequestIdUnlessThereIsOne) {
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  const std::string_view id = Header("x-request-id");
  ASSERT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-request-id"), id);
}

TEST_F(IdentifyTest, UnderscoresAreRemovedOrRefusedAsConfigured) {
  head_.headers.Add("x_user", "a");
  http_.underscores = config::UnderscoreAction::kRefuseRequest;
  const Step refused = Identify(call());
  ASSERT_EQ(refused.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(refused.answer().head->status, 400);
  config::HttpSpec drops;
  drops.underscores = config::UnderscoreAction::kDropHeader;
  EXPECT_TRUE(CheckUnderscores(drops, head_.headers));
  EXPECT_EQ(Header("x_user"), "(none)");
}

TEST_F(IdentifyTest, RefusesWhenMemoryIsShort) {
  SharedMemoryPressure pressure = MemoryPressure::kShort;
  services_.memory = &pressure;
  const Step step = Identify(call());
  ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
  EXPECT_EQ(step.answer().head->status, 503);
}

}  // namespace
}  // namespace tulle::proxy
