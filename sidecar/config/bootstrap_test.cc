#include "sidecar/config/bootstrap.h"

#include <gtest/gtest.h>

#include "net/tls/tls_transports.h"
#include "sidecar/config/testing_files.h"
#include "sidecar/policy/authorization.h"

namespace tulle::config {
namespace {

class BootstrapTest : public ::testing::Test {
 protected:
  // All errors; empty if it loads.
  std::string Load(const std::string& text) {
    auto bootstrap = ParseBootstrap(text, "f.yaml");
    if (!bootstrap.ok()) return std::string(bootstrap.status().message());
    bootstrap_ = *std::move(bootstrap);
    loader_ = std::make_unique<SnapshotLoader>(tls::TlsTransports());
    const auto status = LoadStaticResources(bootstrap_, "f.yaml", *loader_);
    return std::string(status.message());
  }
  // The file with one text replaced.
  std::string LoadChanged(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = testing::ReadGolden(file);
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return Load(keys_.Filled(text));
  }
  std::shared_ptr<const ListenerSpec> Listener(const std::string& name) {
    const auto snapshot = loader_->Current();
    const auto found = snapshot->listeners.find(name);
    return found == snapshot->listeners.end() ? nullptr : found->second;
  }

  testing::Keys keys_;
  Bootstrap bootstrap_;
  std::unique_ptr<SnapshotLoader> loader_;
};

TEST_F(BootstrapTest, StaticMeshHop) {
  ASSERT_EQ(Load(keys_.Filled(testing::ReadGolden("static.json"))), "");
  EXPECT_EQ(bootstrap_.node_id, "envoy-a");
  EXPECT_EQ(bootstrap_.admin->ToString(), "127.0.0.1:18190");
  EXPECT_FALSE(bootstrap_.ads.has_value());
  const auto inbound = Listener("inbound");
  ASSERT_NE(inbound, nullptr);
  EXPECT_TRUE(inbound->inspect_tls);
  ASSERT_EQ(inbound->chains.size(), 1u);
  EXPECT_NE(inbound->chains[0]->tls, nullptr);
  EXPECT_EQ(inbound->chains[0]->match.transport_protocol, "tls");
  const auto& http = std::get<HttpSpec>(inbound->chains[0]->proxy);
  EXPECT_EQ(http.forwarding, ClientCertForwarding::kSanitizeSet);
  ASSERT_EQ(http.authorization.size(), 1u);
  EXPECT_TRUE(http.authorization[0]->asks_path());
  EXPECT_EQ(http.access_logs[0].path, "/dev/stdout");
  const auto& echo = loader_->Current()->clusters.at("echo");
  EXPECT_EQ(echo->balancing, upstream::Balancing::kLeastRequest);
  EXPECT_EQ(echo->http, upstream::HttpChoice::kHttp2);
  EXPECT_NE(echo->transport_sockets[0].tls, nullptr);
  EXPECT_EQ(echo->static_endpoints->endpoints[0].address.ToString(), "127.0.0.1:18102");
  const auto outbound = Listener("outbound");
  const auto& routes = std::get<HttpSpec>(outbound->chains[0]->proxy).routes;
  const auto& action = *routes->virtual_hosts()[0].routes()[0].forward();
  EXPECT_EQ(action.timeout, Milliseconds(5000));
  EXPECT_EQ(action.retry->attempts_after_first, 2u);
  EXPECT_TRUE(action.retry->avoid_previous_hosts);
  EXPECT_FALSE(loader_->is_waiting());
}

TEST_F(BootstrapTest, UpgradesOfListenerAndRoute) {
  const std::string inbound = "\"stat_prefix\": \"inbound\",";
  const auto with = [&](const std::string& configs) {
    return LoadChanged("static.json", inbound, inbound + "\"upgrade_configs\": [" + configs + "],");
  };
  ASSERT_EQ(with(R"({"upgrade_type": "WebSocket"}, {"upgrade_type": "tcp", "enabled": false})"),
            "");
  const auto& http = std::get<HttpSpec>(Listener("inbound")->chains[0]->proxy);
  EXPECT_EQ(http.upgrades, (std::vector<route::UpgradeSpec>{{"WebSocket", true}, {"tcp", false}}));
  EXPECT_NE(with("{}").find("upgrade_configs[0].upgrade_type: is required"), std::string::npos);
  EXPECT_EQ(with(R"({"upgrade_type": "CONNECT"})"), "") << "as Envoy's routes with connect_config";
  EXPECT_NE(with(R"({"upgrade_type": "websocket", "filters": [{"name": "f"}]})").find("filters"),
            std::string::npos)
      << "filters of its own would be left out";
  const std::string action = "\"timeout\": \"5s\",";
  ASSERT_EQ(LoadChanged("static.json", action,
                        action + R"("upgrade_configs": [{"upgrade_type": "tcp"}],)"),
            "");
  const auto& routes = std::get<HttpSpec>(Listener("outbound")->chains[0]->proxy).routes;
  EXPECT_EQ(routes->virtual_hosts()[0].routes()[0].forward()->upgrades,
            (std::vector<route::UpgradeSpec>{{"tcp", true}}));
}

TEST_F(BootstrapTest, ARouteMayForwardWhatIsInATunnel) {
  const std::string action = "\"timeout\": \"5s\",";
  const auto with = [&](const std::string& config) {
    return LoadChanged(
        "static.json", action,
        action + R"("upgrade_configs": [{"upgrade_type": "connect")" + config + "}],");
  };
  ASSERT_EQ(with(R"(, "connect_config": {})"), "");
  const auto& routes = std::get<HttpSpec>(Listener("outbound")->chains[0]->proxy).routes;
  EXPECT_TRUE(routes->virtual_hosts()[0].routes()[0].forward()->tunnel);
  EXPECT_NE(with("").find("connect_config: is required for CONNECT"), std::string::npos);
  EXPECT_NE(with(R"(, "connect_config": {"allow_post": true})").find("allow_post"),
            std::string::npos);
  EXPECT_NE(with(R"(, "connect_config": {"proxy_protocol_config": {}})").find("proxy_protocol"),
            std::string::npos);
}

TEST_F(BootstrapTest, MeshProxiesLoadAsTheyAre) {
  for (const char* file : {"h1.json", "h2.json", "h2-h1.json", "in.json", "in2.json", "out.json",
                           "out2.json", "tcp.json", "tcp-in.json", "tcp-out.json"}) {
    ASSERT_EQ(Load(keys_.Filled(testing::ReadGolden(file))), "") << file;
    EXPECT_NE(Listener("l"), nullptr) << file;
    EXPECT_EQ(Listener("l")->address.port(), 15080) << file;
    EXPECT_EQ(loader_->Current()->clusters.size(), 1u) << file;
    EXPECT_EQ(bootstrap_.max_downstream_connections, 50000u) << file;
    EXPECT_FALSE(loader_->WithoutEffect().empty()) << file;
  }
}

TEST_F(BootstrapTest, ControlPlaneByDelta) {
  ASSERT_EQ(Load(testing::ReadGolden("delta.json")), "");
  ASSERT_TRUE(bootstrap_.ads.has_value());
  EXPECT_EQ(bootstrap_.ads->cluster, "xds");
  EXPECT_TRUE(bootstrap_.ads->delta);
  EXPECT_TRUE(bootstrap_.dynamic_listeners && bootstrap_.dynamic_clusters);
}

TEST_F(BootstrapTest, Yaml) {
  const char* const text = R"(
node: {id: "7", cluster: c}
static_resources:
  clusters:
  - name: a
    connect_timeout: 0.25s
    load_assignment:
      cluster_name: a
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}
)";
  ASSERT_EQ(Load(text), "");
  EXPECT_EQ(bootstrap_.node_id, "7");
  EXPECT_EQ(loader_->Current()->clusters.at("a")->connect_timeout, Milliseconds(250));
  EXPECT_NE(Load("a: [").find("f.yaml: line 1"), std::string::npos) << Load("a: [");
}

TEST_F(BootstrapTest, UnknownFieldsAreNamed) {
  const std::string error = LoadChanged("h1.json", "\"tcp_backlog_size\"", "\"tcp_backlog\"");
  EXPECT_NE(error.find("f.yaml: static_resources.listeners[0].tcp_backlog: unknown field"),
            std::string::npos)
      << error;
}

TEST_F(BootstrapTest, ErrorsDoNotRepeatKeys) {
  const std::string secret = R"({"static_resources": {"secrets": [{"tls_certificate": )";
  const std::string path = "f.yaml: static_resources.secrets[0].tls_certificate.private_key";
  EXPECT_EQ(Load("static_resources: {secrets: [{tls_certificate: {private_key: SECRETKEY}}]}"),
            path + ": invalid value; expected an object (DataSource)");
  EXPECT_EQ(Load(secret + R"({"private_key": {"inline_bytes": "SECRETKEY not base64 !"}}}]}})"),
            path + ".inline_bytes: invalid value; expected base64");
  EXPECT_EQ(Load("{\"node\": {\"id\":\n \"SECRETKEY\" \"x\"}}"),
            "f.yaml: line 2, column 16: invalid JSON: expected , or } after key:value pair");
  const std::string texts[] = {
      "{\"node\": {\"id\": \"SECRETKEY\", \"id\": [\"SECRETKEY\"]}}",
      "{\"node\": {\"id\": \"SECRETKEY^",
      "{\"node\": SECRETKEY}",
      secret + "{\"private_key\": [\"SECRETKEY\"]}}]}}",
      secret + "{\"private_key\": {\"inline_string\": {\"SECRETKEY) x\": 1}}}}]}}",
      secret +
          "{\"private_key\": {\"inline_bytes\": \"QQ==\", \"inline_string\": \"SECRETKEY\"}}}]}}",
      "node: {id: *SECRETKEY}",
      "node: \"SECRETKEY\\q\"",
      "node: SECRETKEY: x",
      "-----BEGIN SECRETKEY\nSECRETKEY\n",
  };
  for (const std::string& text : texts) {
    const std::string error = Load(text);
    EXPECT_NE(error, "") << text;
    EXPECT_EQ(error.find("SECRETKEY"), std::string::npos) << error;
  }
}

TEST_F(BootstrapTest, ErrorsSayWhatIsExpected) {
  EXPECT_EQ(Load("{"), "f.yaml: line 1, column 2: invalid JSON: unexpected end");
  EXPECT_EQ(Load("frob: 1"),
            "f.yaml: frob: unknown field, or not implemented: check the spelling or remove it");
  const auto cluster = [&](const std::string& field) {
    return Load("static_resources: {clusters: [{" + field + "}]}");
  };
  const std::string path = "f.yaml: static_resources.clusters[0].";
  EXPECT_EQ(cluster("type: FOO"),
            path +
                "type: unknown value \"FOO\"; known values: STATIC, STRICT_DNS, LOGICAL_DNS, EDS, "
                "ORIGINAL_DST");
  EXPECT_EQ(cluster("connect_timeout: 5"),
            path + "connect_timeout: invalid duration; write seconds with s, such as \"5s\"");
  EXPECT_EQ(cluster("connect_timeout: soon"),
            path + "connect_timeout: invalid duration; write seconds with s, such as \"5s\"");
  EXPECT_EQ(cluster("name: [a]"), path + "name: invalid value; expected no list");
  EXPECT_EQ(cluster("per_connection_buffer_limit_bytes: many"),
            path + "per_connection_buffer_limit_bytes.value: invalid value; expected a number");
  EXPECT_EQ(cluster("transport_socket: {typed_config: {'@type': type.googleapis.com/nope.v3.T}}"),
            path + "transport_socket.typed_config: unknown type \"nope.v3.T\"");
}

TEST_F(BootstrapTest, Fault63_BadValuesAreNamedWithTheirPath) {
  struct Case {
    const char* file;
    const char* from;
    const char* to;
    const char* error;
  };
  const Case kCases[] = {
      {"h1.json", "\"prefix\": \"/\"", "\"safe_regex\": {\"regex\": \"(\"}",
       "listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0]."
       "routes[0].match: invalid regular expression"},
      {"h1.json", "\"stat_prefix\": \"bench\"", "\"stat_prefix\": \"\"",
       "stat_prefix: is required"},
      {"h1.json", "\"connect_timeout\": \"5s\"", "\"connect_timeout\": \"0s\"",
       "static_resources.clusters[0].connect_timeout: must be greater than 0"},
      {"h1.json", "\"LEAST_REQUEST\"", "\"MAGLEV\"", "lb_policy: MAGLEV is not implemented"},
      {"h1.json", "\"num_retries\": 2", "\"num_retries\": 1000000", "must be at most 100"},
      {"h1.json", "\"address\": \"127.0.0.1\"", "\"address\": \"localhost\"",
       "is not an IP address"},
      {"static.json", "\"cluster\": \"echo\"", "\"cluster\": \"other\"",
       "route_config: unknown cluster 'other'"},
      {"static.json", "http.router.v3.Router", "http.lua.v3.Lua", "f.yaml: "},
      {"static.json", "envoy.extensions.filters.http.router.v3.Router",
       "envoy.extensions.filters.http.cors.v3.Cors", "the last filter must be"},
      {"static.json", "\"name\": \"ROOTCA\"", "\"name\": \"ROOTCB\"",
       "unknown static secret 'ROOTCB'"},
      {"static.json", "\"san_type\": \"URI\"", "\"san_type\": \"EMAIL\"", "san_type: only URI"},
      {"static.json", "\"port_value\": 18101", "\"port_value\": 18102",
       "static_resources.listeners[1].address: listener 'outbound' is at 127.0.0.1:18102 already"},
      {"in.json", "\"TLSv1_3\"", "\"TLSv1_0\"", "TLS 1.0 and 1.1 are not supported"},
  };
  for (const Case& bad : kCases) {
    const std::string error = LoadChanged(bad.file, bad.from, bad.to);
    EXPECT_NE(error.find(bad.error), std::string::npos) << bad.from << " gave: " << error;
    EXPECT_TRUE(error.starts_with("f.yaml: ")) << error;
  }
}

TEST_F(BootstrapTest, BrokenKeysAreRefusedAndNotShown) {
  std::swap(keys_.client.key, keys_.server.key);
  const std::string error = Load(keys_.Filled(testing::ReadGolden("static.json")));
  EXPECT_NE(error.find("static_resources.secrets[0].tls_certificate.private_key: does not match"),
            std::string::npos)
      << error;
  EXPECT_EQ(error.find("PRIVATE KEY"), std::string::npos);
}

}  // namespace
}  // namespace tulle::config
