#include "k8s/api/cluster.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "k8s/api/exec_plugin.h"
#include "k8s/api/json.h"
#include "k8s/api/kubeconfig.h"

namespace tulle::k8s {
namespace {

Environment Of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

absl::StatusOr<Login> ParseLogin(const std::string& yaml, const std::string& folder,
                                 const std::string& context = "") {
  const auto config = Kubeconfig::Parse(yaml, folder + "/config");
  return config.ok() ? config->LoginTo(context) : absl::StatusOr<Login>(config.status());
}

absl::StatusOr<Cluster> ParseKubeconfig(const std::string& yaml, const std::string& folder) {
  auto login = ParseLogin(yaml, folder);
  return login.ok() ? absl::StatusOr<Cluster>(std::move(login->cluster)) : login.status();
}

class ClusterTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  const std::string folder_ = ::testing::TempDir();
};

TEST_F(ClusterTest, InAPodTheServiceAccountIsUsed) {
  Write("ca.crt", "CA\n");
  Write("token", "first\n");
  const auto cluster = InCluster(
      Of({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}}), folder_);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->Authority(), "10.96.0.1:443");
  EXPECT_EQ(cluster->server_name, "10.96.0.1");
  EXPECT_EQ(*cluster->token.Read(), "first");
  Write("token", "second\n");
  EXPECT_EQ(*cluster->token.Read(), "second");
}

TEST_F(ClusterTest, OutsideOfAPodTheErrorNamesTheOtherFlag) {
  const auto cluster = InCluster(Of({}), folder_);
  EXPECT_NE(cluster.status().message().find("--kubeconfig"), std::string::npos);
}

TEST_F(ClusterTest, AMissingTokenIsAnErrorAtTheStart) {
  const auto cluster =
      InCluster(Of({{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}}),
                folder_ + "/none");
  EXPECT_NE(cluster.status().message().find("/none/ca.crt"), std::string::npos);
}

std::string Config(const std::string& cluster, const std::string& user) {
  return "current-context: here\n"
         "contexts: [{name: other, context: {}}, {name: here, context: {cluster: c, user: u}}]\n"
         "clusters: [{name: c, cluster: {" +
         cluster +
         "}}]\n"
         "users: [{name: u, user: {" +
         user + "}}]\n";
}

constexpr char kServer[] =
    "server: 'https://127.0.0.1:6443', certificate-authority-data: Q0E=";  // "CA"

TEST_F(ClusterTest, KubeconfigWithATokenAndData) {
  const auto cluster = ParseKubeconfig(Config(kServer, "token: secret"), "/etc");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->Authority(), "127.0.0.1:6443");
  EXPECT_EQ(*cluster->ca.Read(), "CA");
  EXPECT_EQ(*cluster->token.Read(), "secret");
}

TEST_F(ClusterTest, KubeconfigFilesAreRelativeToIt) {
  const auto cluster =
      ParseKubeconfig(Config("server: 'https://api.example.org', certificate-authority: ca.pem, "
                             "tls-server-name: kubernetes",
                             "client-certificate: /abs/c.pem, client-key: keys/c.key"),
                      "/home/me/.kube");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->Authority(), "api.example.org:443");
  EXPECT_EQ(cluster->server_name, "kubernetes");
  EXPECT_EQ(cluster->ca.file, "/home/me/.kube/ca.pem");
  EXPECT_EQ(cluster->client_certificate.file, "/abs/c.pem");
  EXPECT_EQ(cluster->client_key.file, "/home/me/.kube/keys/c.key");
}

TEST_F(ClusterTest, KubeconfigWithAnIpv6Server) {
  const auto cluster = ParseKubeconfig(
      Config("server: 'https://[fd00::1]:6443/', certificate-authority-data: Q0E=", "token: t"),
      "");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->host, "fd00::1");
  EXPECT_EQ(cluster->Authority(), "[fd00::1]:6443");
}

TEST_F(ClusterTest, WhatIsNotSupportedIsNamed) {
  const std::pair<std::string, const char*> wrong[] = {
      {Config(kServer, "exec: {command: aws}"), "user.exec.apiVersion \"\" is not supported"},
      {Config(kServer, "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}"),
       "interactiveMode is required"},
      {Config(kServer, "auth-provider: {name: gcp}"), "user.auth-provider is not supported"},
      {Config(kServer, "username: me, password: p"), "user.username is not supported"},
      {Config(kServer, "client-certificate: c.pem"), "required together"},
      {Config(kServer, ""), "no token, tokenFile, client certificate or exec plugin"},
      {Config("server: 'https://a', insecure-skip-tls-verify: true", "token: t"), "not supported"},
      {Config("server: 'https://a'", "token: t"), "certificate-authority"},
      {Config("server: 'http://a', certificate-authority-data: Q0E=", "token: t"), "https://"},
      {Config("server: 'https://a:0', certificate-authority-data: Q0E=", "token: t"), "https://"},
      {Config("server: 'https://a:1x', certificate-authority-data: Q0E=", "token: t"), "https://"},
      {Config("server: 'https://[::1', certificate-authority-data: Q0E=", "token: t"), "https://"},
      {Config("server: 'https://a', certificate-authority-data: '?'", "token: t"), "not base64"},
      {"current-context: gone\n", "context \"gone\" not found"},
      {"contexts: []\n", "current-context is required"},
      {"- a\n", "YAML mapping"},
      {"{", "invalid YAML"},
  };
  for (const auto& [yaml, text] : wrong) {
    const auto cluster = ParseKubeconfig(yaml, "/etc");
    EXPECT_NE(std::string(cluster.status().message()).find(text), std::string::npos)
        << yaml << cluster.status();
  }
}

// As kubectl: the first file that has an entry wins, and paths belong to the file they are in.
TEST_F(ClusterTest, SeveralFilesAreMerged) {
  Write("first",
        "contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}]\n"
        "users: [{name: u, user: {token: mine}}]\n");
  Write("second", Config(kServer, "token: theirs"));
  const auto config =
      Kubeconfig::Read({folder_ + "/first", folder_ + "/none", folder_ + "/second"}, true);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->CurrentContext(), "here");
  EXPECT_EQ(config->Contexts(), (std::vector<std::string>{"a", "other", "here"}));
  EXPECT_EQ(config->FileOf("a"), folder_ + "/first");
  EXPECT_EQ(config->FileOf("here"), folder_ + "/second");
  EXPECT_EQ(config->FileOf("gone"), "");
  const auto login = config->LoginTo("a");
  ASSERT_TRUE(login.ok()) << login.status();
  EXPECT_EQ(login->ns, "shop");
  EXPECT_EQ(login->cluster.Authority(), "127.0.0.1:6443");
  EXPECT_EQ(login->cluster.token.text, "mine");
  EXPECT_FALSE(Kubeconfig::Read({folder_ + "/none"}, false).ok());
}

constexpr char kExec[] =
    "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/login, args: [get, token], "
    "env: [{name: PROFILE, value: dev}], interactiveMode: Never, provideClusterInfo: true}";

TEST_F(ClusterTest, AnExecPluginIsForPeopleNotForTheControlPlane) {
  const auto login = ParseLogin(Config(kServer, kExec), "/home/me");
  ASSERT_TRUE(login.ok()) << login.status();
  ASSERT_TRUE(login->exec.has_value());
  EXPECT_EQ(login->exec->command, "/home/me/bin/login");
  EXPECT_EQ(login->exec->arguments, (std::vector<std::string>{"get", "token"}));
  EXPECT_EQ(login->exec->variables[0].second, "dev");
  EXPECT_EQ(login->exec->interactive, ExecPlugin::Interactive::kNever);
  const Json info = Json::parse(ExecInfo(*login->exec, login->cluster, false));
  EXPECT_EQ(info["kind"], "ExecCredential");
  EXPECT_EQ(info["spec"]["interactive"], false);
  EXPECT_EQ(info["spec"]["cluster"]["server"], "https://127.0.0.1:6443");
  EXPECT_EQ(info["spec"]["cluster"]["certificate-authority-data"], "Q0E=");
  Write("exec", Config(kServer, kExec));
  EXPECT_NE(ReadKubeconfig(folder_ + "/exec").status().message().find("user.exec is not supported"),
            std::string::npos);
}

TEST_F(ClusterTest, CredentialsOfAPluginAreTakenAndNeverPrinted) {
  const auto login = ParseLogin(Config(kServer, kExec), "");
  Cluster cluster = login->cluster;
  const std::string head =
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":)";
  ASSERT_TRUE(TakeCredentials(*login->exec, head + R"({"token":"secret"}})", &cluster).ok());
  EXPECT_EQ(cluster.token.text, "secret");
  const std::pair<std::string, const char*> wrong[] = {
      {"", "did not print"},
      {"secret", "did not print"},
      {head + "{}}", "neither a token nor"},
      {head + R"({"clientCertificateData":"secret"}})", "without its key"},
      {R"({"kind":"ExecCredential","apiVersion":"v2","status":{"token":"secret"}})", "as \"v2\""},
  };
  for (const auto& [output, text] : wrong) {
    const std::string error(TakeCredentials(*login->exec, output, &cluster).message());
    EXPECT_NE(error.find(text), std::string::npos) << error;
    EXPECT_EQ(error.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace tulle::k8s
