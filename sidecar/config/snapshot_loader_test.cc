#include "sidecar/config/snapshot_loader.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "net/tls/tls_transports.h"
#include "sidecar/config/testing_files.h"

namespace tulle::config {
namespace {

template <typename Message>
std::string Bytes(const std::string& json) {
  Message message;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return message.SerializeAsString();
}

class SnapshotLoaderTest : public ::testing::Test {
 protected:
  std::string Put(ResourceKind kind, const std::string& name, const std::string& bytes) {
    const auto status = loader_.Put(kind, name, bytes, Origin::kDynamic);
    return std::string(status.message());
  }
  std::string PutCluster(const std::string& name, const std::string& more) {
    return Put(
        ResourceKind::kCluster, name,
        Bytes<envoy::config::cluster::v3::Cluster>("{\"name\": \"" + name + "\"" + more + "}"));
  }
  static std::string Eds() {
    return R"(, "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}})";
  }
  std::string PutEndpoints(const std::string& name, int port) {
    return Put(
        ResourceKind::kEndpoints, name,
        Bytes<envoy::config::endpoint::v3::ClusterLoadAssignment>(
            "{\"cluster_name\": \"" + name +
            "\", \"endpoints\": [{\"lb_endpoints\": [{\"endpoint\": {\"address\": "
            "{\"socket_address\": {\"address\": \"10.0.0.1\", \"port_value\": " +
            std::to_string(port) +
            "}}}, \"metadata\": {\"filter_metadata\": {\"envoy.transport_socket_match\": "
            "{\"mesh\": \"on\"}, \"tulle\": {\"spiffe_id\": \"spiffe://t/ns/d/sa/a\"}}}}]}]}"));
  }
  std::string PutRoutes(const std::string& name, const std::string& cluster) {
    return Put(ResourceKind::kRoute, name,
               Bytes<envoy::config::route::v3::RouteConfiguration>(
                   "{\"name\": \"" + name +
                   "\", \"virtual_hosts\": [{\"name\": \"v\", \"domains\": [\"*\"], \"routes\": "
                   "[{\"match\": {\"prefix\": \"/\"}, \"route\": {\"cluster\": \"" +
                   cluster + "\"}}]}]}"));
  }
  std::string PutListener(const std::string& name, const std::string& routes,
                          const std::string& access_log = "") {
    return Put(ResourceKind::kListener, name,
               Bytes<envoy::config::listener::v3::Listener>(R"({
      "name": ")" + name + R"(",
      "address": {"socket_address": {"address": "127.0.0.1", "port_value": 15001}},
      "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s", "rds": {"route_config_name": ")" +
                                                            routes +
                                                            R"(", "config_source": {"ads": {}}},)" +
                                                            access_log + R"(
        "http_filters": [{"name": "router", "typed_config": {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]})"));
  }

  SnapshotLoader loader_{tls::TlsTransports()};
};

TEST_F(SnapshotLoaderTest, Fault64_ResourcesWaitForTheirReferences) {
  ASSERT_EQ(PutListener("l", "r"), "");
  ASSERT_EQ(PutRoutes("r", "c"), "");
  ASSERT_EQ(PutCluster("c", Eds()), "");
  EXPECT_EQ(loader_.wanted_routes(), (std::set<std::string>{"r"}));
  EXPECT_EQ(loader_.wanted_endpoints(), (std::set<std::string>{"c"}));
  EXPECT_TRUE(loader_.Current()->listeners.empty());
  EXPECT_TRUE(loader_.is_waiting());
  ASSERT_EQ(PutEndpoints("c", 80), "");
  const auto snapshot = loader_.Current();
  EXPECT_EQ(snapshot->listeners.size() + snapshot->routes.size() + snapshot->clusters.size(), 3u);
  EXPECT_FALSE(loader_.is_waiting());
  const auto& endpoint = snapshot->endpoints.at("c")->endpoints[0];
  EXPECT_EQ(endpoint.spiffe_id, "spiffe://t/ns/d/sa/a");
  EXPECT_EQ(endpoint.transport_labels, (upstream::Labels{{"mesh", "on"}}));
}

TEST_F(SnapshotLoaderTest, Fault64_OldRoutesServeWhileTheNewOnesWait) {
  ASSERT_EQ(PutCluster("a", Eds()), "");
  ASSERT_EQ(PutEndpoints("a", 80), "");
  ASSERT_EQ(PutRoutes("r", "a"), "");
  const auto before = loader_.Current()->routes.at("r");
  ASSERT_EQ(PutRoutes("r", "b"), "");
  EXPECT_EQ(loader_.Current()->routes.at("r"), before);
  loader_.GiveUpWaiting();
  EXPECT_NE(loader_.Current()->routes.at("r"), before) << "after 15 s as Envoy: 503, NC";
}

TEST_F(SnapshotLoaderTest, AnEndpointChangeReplacesNothingElse) {
  ASSERT_EQ(PutCluster("a", Eds()), "");
  ASSERT_EQ(PutEndpoints("a", 80), "");
  ASSERT_EQ(PutRoutes("r", "a"), "");
  const auto before = loader_.Current();
  ASSERT_EQ(PutRoutes("r", "a"), "") << "equal bytes";
  EXPECT_EQ(loader_.Current(), before);
  ASSERT_EQ(PutEndpoints("a", 81), "");
  const auto after = loader_.Current();
  EXPECT_EQ(after->clusters.at("a"), before->clusters.at("a"));
  EXPECT_EQ(after->routes.at("r"), before->routes.at("r"));
  EXPECT_NE(after->endpoints.at("a"), before->endpoints.at("a"));
}

TEST_F(SnapshotLoaderTest, EndpointsLiveAsLongAsTheirCluster) {
  ASSERT_EQ(PutCluster("a", Eds()), "");
  ASSERT_EQ(PutEndpoints("a", 80), "");
  loader_.Remove(ResourceKind::kEndpoints, "a");
  EXPECT_EQ(loader_.Current()->endpoints.count("a"), 1u) << "as Envoy keeps them";
  loader_.Remove(ResourceKind::kCluster, "a");
  EXPECT_TRUE(loader_.Current()->clusters.empty());
  EXPECT_TRUE(loader_.Current()->endpoints.empty());
}

TEST_F(SnapshotLoaderTest, Fault73_DnsClustersMustNotUseNamesOfTheMesh) {
  const auto named = [](const std::string& type, const std::string& host) {
    return R"(, "type": ")" + type +
           R"(", "respect_dns_ttl": true, "load_assignment": {"cluster_name": "a", "endpoints": )"
           R"([{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": ")" +
           host + R"(", "port_value": 80}}}}]}]})";
  };
  for (const char* type : {"STRICT_DNS", "LOGICAL_DNS"}) {
    EXPECT_EQ(PutCluster("a", named(type, "api.example.com")), "");
    const auto clusters = loader_.dns_clusters();
    ASSERT_EQ(clusters.size(), 1u);
    EXPECT_EQ(clusters[0]->dns->is_logical, std::string(type) == "LOGICAL_DNS");
    EXPECT_TRUE(clusters[0]->dns->respect_ttl);
    EXPECT_EQ(clusters[0]->dns->refresh.count(), 5000);
    for (const char* own : {"web.default.svc.cluster.local", "cluster.local", "a.cluster.local."}) {
      EXPECT_NE(PutCluster("a", named(type, own)).find("a name of the mesh"), std::string::npos);
    }
    EXPECT_NE(PutCluster("a", named(type, "no host")).find("not a valid host name"),
              std::string::npos);
  }
}

TEST_F(SnapshotLoaderTest, Fault65_OneBadResourceAmongManyIsRefusedAlone) {
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "c" + std::to_string(i);
    const std::string error = PutCluster(name, i == 500 ? R"(, "type": "STRICT_DNS")" : Eds());
    EXPECT_EQ(error.empty(), i != 500) << error;
    if (i == 500) {
      EXPECT_EQ(error.find("c500.load_assignment: needs an endpoint with a host name"), 0u)
          << error;
    }
  }
  loader_.GiveUpWaiting();
  EXPECT_EQ(loader_.Current()->clusters.size(), 999u);
}

TEST_F(SnapshotLoaderTest, AccessLogFormatsAreCheckedWithTheirListener) {
  const auto put = [this](const std::string& format) {
    return PutListener("l", "r",
                       R"("access_log": [{"typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
      "path": "/dev/null", "log_format": )" +
                           format + "}}],");
  };
  EXPECT_EQ(put(R"({"text_format": "%PROTOCOL% %REQ(:METHOD)%\n"})"), "");
  EXPECT_EQ(put(R"({"json_format": {"status": "%RESPONSE_CODE%"}})"), "");
  for (const char* format :
       {R"({"text_format": "%NO_SUCH_OPERATOR%"})", R"({"text_format": "%PROTOCOL"})",
        R"({"json_format": {"status": "%NO_SUCH_OPERATOR%"}})"}) {
    const std::string error = put(format);
    EXPECT_NE(error.find("typed_config.log_format: "), std::string::npos)
        << format << ": " << error;
  }
}

// A filter that is ignored would log what nobody wants to keep.
TEST_F(SnapshotLoaderTest, FiltersOfAccessLogsAreImplementedOrRefused) {
  const auto put = [this](const std::string& filter) {
    return PutListener("l", "r",
                       R"("access_log": [{"typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
      "path": "/dev/null"}, "filter": )" +
                           filter + "}],");
  };
  for (
      const char* good :
      {R"({"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400}}}})",
       R"({"duration_filter": {"comparison": {"op": "LE", "value": {"default_value": 5}}}})",
       R"({"or_filter": {"filters": [{"response_flag_filter": {}}, {"not_health_check_filter": {}}]}})",
       R"({"and_filter": {"filters": [{"traceable_filter": {}},
            {"grpc_status_filter": {"statuses": ["INTERNAL"], "exclude": true}}]}})",
       R"({"header_filter": {"header": {"name": "x-debug", "present_match": true}}})",
       R"({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 5}}})"}) {
    EXPECT_EQ(put(good), "") << good;
  }
  for (const auto& [bad, where] :
       {std::pair("{}", "access_log[0].filter: needs a filter by"),
        std::pair(R"({"response_flag_filter": {"flags": ["UF", "XX"]}})",
                  "filter.response_flag_filter.flags[1]: 'XX' is not a response flag"),
        std::pair(R"({"and_filter": {"filters": [{"traceable_filter": {}}]}})",
                  "filter.and_filter.filters: needs at least two"),
        std::pair(R"({"or_filter": {"filters": [{"traceable_filter": {}}, {}]}})",
                  "filter.or_filter.filters[1]: needs a filter by")}) {
    EXPECT_NE(put(bad).find(where), std::string::npos) << bad << ": " << put(bad);
  }
}

TEST_F(SnapshotLoaderTest, AnErrorOfARouteNamesItsCause) {
  ASSERT_EQ(Put(ResourceKind::kRoute, "r",
                Bytes<envoy::config::route::v3::RouteConfiguration>(R"({"name": "r",
      "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
        {"match": {"prefix": "/a"}, "direct_response": {"status": 502},
         "metadata": {"filter_metadata": {"tulle": {"cause": "egress_denied"}}}},
        {"match": {"prefix": "/b"}, "direct_response": {"status": 502},
         "metadata": {"filter_metadata": {"other": {"cause": "c"}, "tulle": {"cause": 7}}}}]}]})")),
            "");
  loader_.GiveUpWaiting();
  const auto& routes = loader_.Current()->routes.at("r")->virtual_hosts()[0].routes();
  EXPECT_EQ(routes[0].direct_response()->cause, "egress_denied");
  EXPECT_EQ(routes[1].direct_response()->cause, "");
  EXPECT_TRUE(loader_.WithoutEffect().empty());
}

TEST_F(SnapshotLoaderTest, Fault63_TheLastGoodOneStays) {
  ASSERT_EQ(PutCluster("a", Eds()), "");
  loader_.GiveUpWaiting();
  const auto before = loader_.Current()->clusters.at("a");
  EXPECT_NE(PutCluster("a", R"(, "connect_timeout": "0s")"), "");
  EXPECT_NE(Put(ResourceKind::kCluster, "a", "\xff\xff garbage"), "");
  EXPECT_EQ(loader_.Current()->clusters.at("a"), before);
  EXPECT_FALSE(KindOf("type.googleapis.com/envoy.config.route.v3.VirtualHost").ok());
}

TEST_F(SnapshotLoaderTest, UnknownFieldsAreWarningsUnlessTheyMatter) {
  // Field 200 of a Listener is harmless; field 200 of a Permission could mean anything.
  EXPECT_EQ(
      Put(ResourceKind::kEndpoints, "e",
          Bytes<envoy::config::endpoint::v3::ClusterLoadAssignment>(R"({"cluster_name": "e"})") +
              "\xc2\x0c\x01x"),
      "");
  ASSERT_EQ(loader_.WithoutEffect().size(), 1u);
  EXPECT_NE(loader_.WithoutEffect()[0].find("<field 200>"), std::string::npos)
      << loader_.WithoutEffect()[0];
  const auto is_warned_of = [&](const std::string& field) {
    const auto paths = loader_.WithoutEffect();
    return std::any_of(paths.begin(), paths.end(),
                       [&](const auto& path) { return path.find(field) != std::string::npos; });
  };
  // Fields that our protos leave out are named: RouteConfiguration.metadata is harmless, vhds is
  // not.
  EXPECT_EQ(Put(ResourceKind::kRoute, "r", "\x0a\x01r\x8a\x01\x01x"), "");
  EXPECT_TRUE(is_warned_of("metadata"));
  const std::string refused = Put(ResourceKind::kRoute, "r", "\x0a\x01r\x4a\x01x");
  EXPECT_NE(refused.find("vhds"), std::string::npos) << refused;
  EXPECT_NE(refused.find("unknown to this proxy"), std::string::npos) << refused;
  EXPECT_NE(Put(ResourceKind::kSecret, "s", "\x0a\x01s\xc2\x0c\x01x").find("<field 200>"),
            std::string::npos);
}

TEST_F(SnapshotLoaderTest, ClustersWaitForTheirSecretsAndFollowThem) {
  testing::Keys keys;
  const auto secret = [&](const certs::testing::TestIdentity& identity) {
    envoy::extensions::transport_sockets::tls::v3::Secret message;
    message.set_name("default");
    auto& certificate = *message.mutable_tls_certificate();
    certificate.mutable_certificate_chain()->set_inline_string(identity.ChainPem());
    certificate.mutable_private_key()->set_inline_string(identity.key.ToPem());
    return message.SerializeAsString();
  };
  const std::string tls = R"(, "load_assignment": {"cluster_name": "a"}, "transport_socket": {
    "name": "envoy.transport_sockets.tls", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    "common_tls_context": {"tls_certificate_sds_secret_configs": [
      {"name": "default", "sds_config": {"ads": {}}}]}}})";
  ASSERT_EQ(PutCluster("a", tls), "");
  EXPECT_EQ(loader_.wanted_secrets(), (std::set<std::string>{"default"}));
  loader_.GiveUpWaiting();
  EXPECT_TRUE(loader_.Current()->clusters.empty()) << "without its key it is never dialled";
  ASSERT_EQ(Put(ResourceKind::kSecret, "default", secret(keys.client)), "");
  const auto first = loader_.Current()->clusters.at("a");
  EXPECT_NE(first->transport_sockets[0].tls, nullptr);
  ASSERT_EQ(Put(ResourceKind::kSecret, "default", secret(keys.server)), "");
  const auto second = loader_.Current()->clusters.at("a");
  EXPECT_NE(second, first);
  EXPECT_EQ(second->pool_key, first->pool_key) << "secrets are not part of a pool's key";
}

}  // namespace
}  // namespace tulle::config
