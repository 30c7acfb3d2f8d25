#include "sidecar/discovery/dns_clusters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "net/base/socket_address.h"
#include "net/dns/resolver.h"
#include "net/loop/testing/fake_loop.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/config/snapshot_loader.h"
#include "sidecar/dataplane/sidecar.h"
#include "sidecar/discovery/dns_refresh.h"
#include "sidecar/upstream/cluster_spec.h"
#include "telemetry/log.h"

namespace tulle::sidecar {
namespace {

using envoy::config::cluster::v3::Cluster;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Strings = std::vector<std::string>;

// Answers what it is told to, when it is told to.
class FakeResolver final : public dns::Resolver {
 public:
  std::unique_ptr<Question> Ask(std::string_view host, dns::Family, Answered done) override {
    ++asked[std::string(host)];
    waiting_[std::string(host)] = std::move(done);
    return std::make_unique<Question>();
  }
  void Give(const std::string& host, const Strings& addresses, seconds ttl = seconds(60)) {
    dns::Answer answer;
    for (const std::string& one : addresses) {
      answer.addresses.push_back(*SocketAddress::Parse(one, 0));
    }
    answer.ttl = ttl;
    waiting_.at(host)(std::move(answer));
  }
  void Fail(const std::string& host) {
    dns::Answer answer;
    answer.error = host + " cannot be resolved";
    waiting_.at(host)(std::move(answer));
  }
  std::map<std::string, int> asked;

 private:
  std::map<std::string, Answered> waiting_;
};

class Nowhere final : public telemetry::Log::Sink {
 public:
  void Write(std::string_view) override {}
};

Cluster Named(const Strings& hosts, int refresh_seconds = 5) {
  Cluster cluster;
  cluster.set_name("db");
  cluster.set_type(Cluster::STRICT_DNS);
  cluster.mutable_dns_refresh_rate()->set_seconds(refresh_seconds);
  cluster.mutable_load_assignment()->set_cluster_name("db");
  auto& locality = *cluster.mutable_load_assignment()->add_endpoints();
  for (const std::string& host : hosts) {
    auto& address = *locality.add_lb_endpoints()
                         ->mutable_endpoint()
                         ->mutable_address()
                         ->mutable_socket_address();
    address.set_address(host);
    address.set_port_value(5432);
  }
  return cluster;
}

class DnsClustersTest : public testing::Test {
 protected:
  void Put(const Cluster& cluster) {
    const auto put = sidecar_.loader().Put(config::ResourceKind::kCluster, cluster.name(),
                                           cluster.SerializeAsString(), config::Origin::kDynamic);
    ASSERT_TRUE(put.ok()) << put;
    sidecar_.Publish();
  }
  // What workers would have of the cluster.
  Strings Endpoints() {
    Strings found;
    const auto snapshot = sidecar_.loader().Current();
    const auto endpoints = snapshot->endpoints.find("dns|db");
    if (endpoints == snapshot->endpoints.end()) return {"none yet"};
    for (const auto& endpoint : endpoints->second->endpoints) {
      found.push_back(endpoint.address.host());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  loop::FakeLoop loop_;
  telemetry::Log log_{telemetry::LogLevel::kOff, telemetry::Log::Form::kText,
                      std::make_unique<Nowhere>()};
  FakeResolver resolver_;
  Sidecar sidecar_{loop_, tls::TlsTransports(), {.workers = 0, .new_worker = nullptr}};
  DnsClusters clusters_{loop_, sidecar_, resolver_, log_};
};

TEST_F(DnsClustersTest, Fault73_ASilentServerHoldsUpNobody) {
  Put(Named({"a.test", "b.test"}));
  resolver_.Give("a.test", {"10.0.0.1"});
  EXPECT_EQ(Endpoints(), (Strings{"none yet"})) << "b.test may come";
  loop_.Advance(milliseconds(1100));
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1"}));
  resolver_.Give("b.test", {"10.0.0.2"});
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1", "10.0.0.2"}));
}

TEST_F(DnsClustersTest, Fault73_AChangedClusterKeepsItsAddressesWhenItsServerFails) {
  Put(Named({"a.test"}));
  resolver_.Give("a.test", {"10.0.0.1", "10.0.0.2"});
  Put(Named({"a.test"}, 7));
  resolver_.Fail("a.test");
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1", "10.0.0.2"}));
  resolver_.Give("a.test", {"10.0.0.3"});
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.3"}));
}

TEST_F(DnsClustersTest, Fault73_AChangedClusterKeepsItsAddressesWhenItsServerIsSilent) {
  Put(Named({"a.test"}));
  resolver_.Give("a.test", {"10.0.0.1"});
  for (const int refresh_seconds : {7, 8, 9}) {
    Put(Named({"a.test"}, refresh_seconds));
    EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1"}));
  }
  loop_.Advance(seconds(3));
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1"}));
}

TEST_F(DnsClustersTest, Fault73_HostsThatComeAndGoDoNotTouchTheOthers) {
  Put(Named({"a.test", "b.test"}));
  resolver_.Give("a.test", {"10.0.0.1"});
  resolver_.Give("b.test", {"10.0.0.2"});
  Put(Named({"a.test", "c.test"}));
  resolver_.Fail("a.test");
  resolver_.Fail("c.test");
  EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1"}));
}

TEST_F(DnsClustersTest, AddressesOfAnotherFamilyAreNotKept) {
  Cluster cluster = Named({"a.test"});
  cluster.set_dns_lookup_family(Cluster::V4_ONLY);
  Put(cluster);
  resolver_.Give("a.test", {"10.0.0.1"});
  cluster.set_dns_lookup_family(Cluster::V6_ONLY);
  Put(cluster);
  resolver_.Fail("a.test");
  EXPECT_EQ(Endpoints(), Strings());
}

TEST_F(DnsClustersTest, Fault73_AFailedQuestionKeepsTheAddressesAndIsAskedAgain) {
  Put(Named({"a.test"}));
  resolver_.Give("a.test", {"10.0.0.1"});
  for (int i = 2; i < 5; ++i) {
    loop_.Advance(milliseconds(5300));
    EXPECT_EQ(resolver_.asked["a.test"], i);
    resolver_.Fail("a.test");
    EXPECT_EQ(Endpoints(), (Strings{"10.0.0.1"}));
  }
}

TEST_F(DnsClustersTest, Fault73_ATtlOfZeroAsksOnceASecond) {
  Cluster cluster = Named({"a.test"});
  cluster.set_respect_dns_ttl(true);
  Put(cluster);
  resolver_.Give("a.test", {"10.0.0.1"}, seconds(0));
  loop_.Advance(milliseconds(990));
  EXPECT_EQ(resolver_.asked["a.test"], 1);
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(resolver_.asked["a.test"], 2);
}

TEST(NextQuestionTest, Fault73_FromASecondToAnHour) {
  upstream::DnsSpec spec;
  spec.refresh = milliseconds(5);
  dns::Answer answer;
  EXPECT_EQ(NextQuestion(spec, answer, 0), seconds(1)) << "the rate, from a second";
  spec.refresh = seconds(5);
  spec.respect_ttl = true;
  EXPECT_EQ(NextQuestion(spec, answer, 0), seconds(5)) << "of a failure";
  answer.addresses = {SocketAddress::Loopback4(0)};
  const std::vector<std::pair<int, int>> rows = {
      {0, 1}, {1, 1}, {7, 7}, {3600, 3600}, {86400, 3600}};
  for (const auto& [ttl, wait] : rows) {
    answer.ttl = seconds(ttl);
    EXPECT_EQ(NextQuestion(spec, answer, 0), seconds(wait)) << ttl;
    EXPECT_LT(NextQuestion(spec, answer, 999), milliseconds(1050) * wait) << ttl;
  }
}

}  // namespace
}  // namespace tulle::sidecar
