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

// Who gets an error of ours can ask for its request, whatever the error is.
TEST_F(IdentifyTest, WhatIsRefusedAtOnceHasARequestIdAndATrace) {
  http_.tracing = std::make_shared<config::TracingSpec>();
  http_.underscores = config::UnderscoreAction::kRefuseRequest;
  SharedMemoryPressure memory{MemoryPressure::kShort};
  services_.memory = &memory;
  const auto refused = [this](FailureKind kind) {
    head_.headers.Remove("x-request-id");
    call().record.tracing = {};
    const Step step = Identify(call());
    ASSERT_EQ(step.kind(), Step::Kind::kAnswer);
    EXPECT_EQ(step.answer().failure.kind, kind);
    EXPECT_EQ(Header("x-request-id").size(), 36u) << kind.facts().cause;
    EXPECT_EQ(call().record.tracing.id.size(), 32u) << kind.facts().cause;
  };
  refused(FailureKind::kMemoryShort);
  services_.memory = nullptr;
  head_.headers.Add("a_b", "c");
  refused(FailureKind::kBadRequest);
  head_.headers.Set("x-tulle-hops", "10");
  refused(failures::kLoopDetected);
}

TEST_F(IdentifyTest, ARequestWithoutAHeadHasARequestIdAndATrace) {
  http_.tracing = std::make_shared<config::TracingSpec>();
  call().request.head = nullptr;
  IdentifyUnread(call());
  EXPECT_EQ(call().record.request->headers.Get(http::HeaderId::kXRequestId).size(), 36u);
  EXPECT_EQ(call().record.tracing.id.size(), 32u);
}

TEST_F(IdentifyTest, PlaintextCallerCannotClaimACertificate) {
  head_.headers.Add("x-forwarded-client-cert", "URI=spiffe://td/ns/default/sa/admin");
  http_.forwarding = config::ClientCertForwarding::kAppendForward;
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-forwarded-client-cert"), "(none)");
}

TEST_F(IdentifyTest, NoHeaderClaimsACertificateUnderAnotherName) {
  constexpr const char* kNames[] = {
      "X_Forwarded_Client_Cert", "x-forwarded_client-cert", "Client-Cert", "Client_Cert",
      "Client-Cert-Chain",       "client_cert_chain"};
  for (const char* name : kNames) head_.headers.Add(name, ":MIIB:");
  head_.headers.Add("x-client-cert-colour", "blue");
  http_.forwarding = config::ClientCertForwarding::kAppendForward;
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  for (const char* name : kNames) EXPECT_EQ(Header(name), "(none)") << name;
  EXPECT_EQ(Header("x-client-cert-colour"), "blue");
}

TEST_F(IdentifyTest, OtherNamesOfForwardedHeadersAreRemovedWithThem) {
  http_.use_remote_address = true;
  head_.headers.Add("X_Forwarded_For", "192.0.2.7");
  head_.headers.Add("x_forwarded-proto", "https");
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("X_Forwarded_For"), "(none)");
  EXPECT_EQ(Header("x_forwarded-proto"), "(none)");
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
  head_.headers.Add("X_Envoy_Retry_On", "5xx");
  head_.headers.Add("x-envoy-attempt-count", "2");
  ASSERT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
  EXPECT_EQ(Header("x-envoy-force-trace"), "(none)");
  EXPECT_EQ(Header("x-envoy-retry-on"), "(none)");
  EXPECT_EQ(Header("X_Envoy_Retry_On"), "(none)");
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

class RequestIdTest : public IdentifyTest {
 protected:
  RequestIdTest() { head_.headers.Add("x-request-id", "theirs"); }
  std::string_view Id() {
    EXPECT_EQ(Identify(call()).kind(), Step::Kind::kContinue);
    return Header("x-request-id");
  }
  void PeerIs(std::string_view address) {
    head_.headers.Remove("x-forwarded-for");
    head_.headers.Remove("x-tulle-hops");
    caller_ = Caller(*SocketAddress::Parse(address, 40000), *SocketAddress::Parse("10.0.0.1", 80));
  }
};

TEST_F(RequestIdTest, ThatOfAnExternalRequestIsReplaced) {
  http_.use_remote_address = true;
  PeerIs("203.0.113.9");
  EXPECT_EQ(Id().size(), 36u);
}

TEST_F(RequestIdTest, ThatOfARequestWithForwardedForIsReplaced) {
  http_.use_remote_address = true;
  head_.headers.Add("x-forwarded-for", "192.0.2.7");
  EXPECT_EQ(Id().size(), 36u);
}

TEST_F(RequestIdTest, ThatOfAnExternalRequestIsKeptIfConfigured) {
  http_.use_remote_address = true;
  http_.preserve_request_id = true;
  PeerIs("203.0.113.9");
  EXPECT_EQ(Id(), "theirs");
}

TEST_F(RequestIdTest, ThatOfAnInternalRequestIsKept) {
  http_.use_remote_address = true;
  EXPECT_EQ(Id(), "theirs");
}

TEST_F(RequestIdTest, PrivateAddressesAreInternal) {
  http_.use_remote_address = true;
  for (const char* address :
       {"127.0.0.1", "172.16.0.1", "172.31.255.1", "192.168.3.4", "::1", "fd00::1", "fc00::1"}) {
    PeerIs(address);
    EXPECT_EQ(Id(), "theirs") << address;
  }
  for (const char* address : {"172.32.0.1", "172.15.0.1", "192.169.0.1", "11.0.0.1", "fe80::1"}) {
    PeerIs(address);
    head_.headers.Set(http::HeaderId::kXRequestId, "theirs");
    EXPECT_NE(Id(), "theirs") << address;
  }
}

TEST_F(RequestIdTest, IsKeptWhereTheRemoteAddressIsNotUsed) {
  PeerIs("203.0.113.9");
  EXPECT_EQ(Id(), "theirs");
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
