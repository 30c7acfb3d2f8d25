// tulle-control: the composition root of the control plane.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "certs/private_key.h"
#include "control-plane/kubernetes/roots_bootstrap.h"
#include "control-plane/policy/names.h"
#include "control-plane/server/control_server.h"
#include "control-plane/webhook/webhook.h"
#include "k8s/api/cluster.h"
#include "net/base/out_of_memory.h"
#include "net/loop/uv/uv_loop.h"
#include "net/tls/tls_transports.h"
#include "net/usage/program.h"
#include "telemetry/log.h"
#include "telemetry/version.h"

namespace tulle {
namespace {

constexpr std::chrono::seconds kMostToRelease{1};
constexpr char kWebhook[] = "0.0.0.0:15017";

struct Flags {
  std::string data_dir = "/var/lib/tulle";
  bool keeps_traffic = false;
  std::string trust_domain = "cluster.local";
  std::string svid_ttl = "24h";
  std::string root_ttl = "87600h";
  std::string grpc = "0.0.0.0:15012";
  std::string rest = "0.0.0.0:15016";
  std::string health = "127.0.0.1:15014";
  std::vector<std::string> dns_names = {"localhost", "tulle-control"};
  std::vector<std::string> ip_addresses = {"127.0.0.1"};
  std::string access_log_file;
  std::string connection_age = "30m";
  std::string log_level = "info";
  bool log_json = false;
  bool reset_admin = false;
  bool ignore_unreadable_policies = false;
  bool is_in_cluster = false;
  std::string kubeconfig;
  std::string webhook;
  std::string roots_secret;
  webhook::Settings injection;
};

int Fail(absl::string_view message) {
  std::fprintf(stderr, "error: %s\n", std::string(message).c_str());
  return 1;
}

void DescribeCluster(CLI::App* app, Flags* flags) {
  app->add_option("--connection-age", flags->connection_age,
                  "after which a sidecar is asked to connect again while there are several "
                  "replicas, so that sidecars spread over them; 0s: never")
      ->type_name("DURATION");
  app->add_option("--webhook", flags->webhook,
                  "address of the admission webhook that injects pods (TLS), or \"off\"; with "
                  "--kubernetes or --kubeconfig alone, and 0.0.0.0:15017 by default")
      ->type_name("ADDRESS:PORT");
  app->add_option("--roots-secret", flags->roots_secret,
                  "on: the roots of the mesh and their keys are those of the Secret tulle-ca in "
                  "namespace tulle-system, which is created if it does not exist, and replicas "
                  "elect a leader; off: those in --data-dir, for one replica. Default: on with "
                  "--kubernetes, off with --kubeconfig")
      ->type_name("on|off")
      ->check(CLI::IsMember({"on", "off"}));
  webhook::Settings& injection = flags->injection;
  app->add_option("--sidecar-image", injection.sidecar_image, "image of injected sidecars")
      ->type_name("IMAGE");
  app->add_option("--init-image", injection.init_image, "image of injected init containers")
      ->type_name("IMAGE");
  app->add_flag("--cni", injection.cni,
                "the CNI plugin tulle-cni redirects the connections of pods: injected init "
                "containers only verify it, without capabilities");
}

void DescribeState(CLI::App* app, Flags* flags) {
  app->add_option("--data-dir", flags->data_dir,
                  "folder for the store and the first admin's credential")
      ->type_name("FOLDER");
  app->add_flag("--keep-traffic", flags->keeps_traffic,
                "keep the traffic of the last hour in traffic.db of the data directory, so that "
                "a restart does not forget what stat and the dashboard show");
}

void Describe(CLI::App* app, Flags* flags) {
  usage::Describe(*app, "tulle-control");
  app->footer(
      "Examples:\n"
      "  # On one machine; then: tullectl --credential-file mesh/admin.json check\n"
      "  tulle-control --data-dir mesh --grpc 127.0.0.1:15012 --api 127.0.0.1:15016\n"
      "  # For sidecars on other hosts, which dial mesh.example.org\n"
      "  tulle-control --dns-name mesh.example.org --ip 192.0.2.10\n\n"
      "Exit codes: 0 stopped by SIGTERM or SIGINT, 1 error.");
  DescribeState(app, flags);
  app->add_option("--trust-domain", flags->trust_domain,
                  "trust domain of the SPIFFE IDs; fixed once the store exists")
      ->type_name("DOMAIN");
  app->add_option("--svid-ttl", flags->svid_ttl,
                  "lifetime of workload certificates, such as 24h or 10m")
      ->type_name("DURATION");
  app->add_option("--root-ttl", flags->root_ttl,
                  "lifetime of a root; it is rotated when a fifth of it is left")
      ->type_name("DURATION");
  app->add_flag("--reset-admin", flags->reset_admin,
                "create a new admin credential at this start, in admin.json of the data "
                "directory, and revoke the previous one");
  app->add_flag("--ignore-unreadable-policies", flags->ignore_unreadable_policies,
                "start even if a restricting policy (AuthorizationPolicy, "
                "PeerAuthentication, EgressPolicy) cannot be parsed; it is not enforced then");
  auto* in_cluster =
      app->add_flag("--kubernetes", flags->is_in_cluster,
                    "read Services and pods of the Kubernetes cluster that this runs in, with the "
                    "credentials of its service account");
  app->add_option("--kubeconfig", flags->kubeconfig,
                  "the same from outside of the cluster: its current context")
      ->type_name("FILE")
      ->excludes(in_cluster);
  DescribeCluster(app, flags);
  app->add_option("--grpc", flags->grpc,
                  "address for sidecars: xDS, certificates, registration (TLS)")
      ->type_name("ADDRESS:PORT");
  app->add_option("--api", flags->rest, "address of the REST API (TLS)")->type_name("ADDRESS:PORT");
  app->add_option("--health", flags->health,
                  "address of /healthz, /readyz and /metrics (plaintext)")
      ->type_name("ADDRESS:PORT");
  app->add_option("--dns-name", flags->dns_names,
                  "a name in the control plane's certificate; may be repeated")
      ->type_name("NAME");
  app->add_option("--ip", flags->ip_addresses,
                  "an address in the control plane's certificate; may be repeated")
      ->type_name("ADDRESS");
  app->add_option(
         "--access-log-file", flags->access_log_file,
         "file in which sidecars log every request in Istio's format, such as /dev/stdout; without "
         "it they only log failures on stderr")
      ->type_name("FILE");
  app->add_option("--log-level", flags->log_level, "trace, debug, info, warning, error or off")
      ->type_name("LEVEL");
  app->add_flag("--log-json", flags->log_json, "log as JSON, one object per line");
}

// A DNS name as certificates have it: "*.example.org", and underscores as in names of containers.
bool IsCertificateName(std::string name) {
  if (name.starts_with("*.")) name.erase(0, 2);
  absl::AsciiStrToLower(&name);
  return policy::IsDnsName(absl::StrReplaceAll(name, {{"_", "-"}}));
}

absl::StatusOr<SocketAddress> ReadAddress(const char* flag, const std::string& text) {
  const auto parsed = SocketAddress::ParseWithPort(text);
  if (parsed) return *parsed;
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " \"", text, "\": invalid address; use IP-ADDRESS:PORT, such as 127.0.0.1:15012"));
}

// Nullopt: there is none.
absl::StatusOr<std::optional<SocketAddress>> ReadWebhook(const Flags& flags) {
  const bool has_cluster = flags.is_in_cluster || !flags.kubeconfig.empty();
  if (!has_cluster && !flags.webhook.empty() && flags.webhook != "off") {
    return absl::InvalidArgumentError("--webhook requires --kubernetes or --kubeconfig");
  }
  if (!has_cluster || flags.webhook == "off") return std::nullopt;
  const auto at = ReadAddress("--webhook", flags.webhook.empty() ? kWebhook : flags.webhook);
  if (!at.ok()) return at.status();
  return *at;
}

absl::StatusOr<server::FrontendOptions> ReadAddresses(const Flags& flags) {
  server::FrontendOptions options;
  const std::tuple<const char*, const std::string&, SocketAddress&> wanted[] = {
      {"--grpc", flags.grpc, options.grpc},
      {"--api", flags.rest, options.rest},
      {"--health", flags.health, options.health}};
  for (const auto& [flag, text, address] : wanted) {
    const auto parsed = ReadAddress(flag, text);
    if (!parsed.ok()) return parsed.status();
    address = *parsed;
  }
  for (const std::string& name : flags.dns_names) {
    if (IsCertificateName(name)) continue;
    return absl::InvalidArgumentError("invalid --dns-name \"" + name + "\"");
  }
  for (const std::string& address : flags.ip_addresses) {
    if (policy::IsIpAddress(address)) continue;
    return absl::InvalidArgumentError("--ip " + address + ": invalid IP address");
  }
  const auto age = policy::ParseDuration(flags.connection_age);
  if (!age) {
    return absl::InvalidArgumentError("--connection-age " + flags.connection_age +
                                      ": invalid duration; use a value such as 30m or 0s");
  }
  options.connection_age = *age;
  auto webhook = ReadWebhook(flags);
  if (!webhook.ok()) return webhook.status();
  options.webhook = *webhook;
  options.injection = flags.injection;
  options.data_dir = flags.data_dir;
  options.dns_names = flags.dns_names;
  options.ip_addresses = flags.ip_addresses;
  return options;
}

absl::StatusOr<int64_t> ReadLifetime(const char* flag, const std::string& text) {
  const auto duration = policy::ParseDuration(text);
  if (duration) return duration->count() / 1000;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", text, " is not a valid duration; use a value such as 24h or 10m"));
}

// What the flags say. Nothing is written or opened yet.
struct Plan {
  server::ControlPlaneOptions plane;
  server::FrontendOptions doors;
  std::optional<k8s::Cluster> cluster;
  bool has_roots_secret = false;
  telemetry::LogLevel level = telemetry::LogLevel::kInfo;
};

absl::StatusOr<std::optional<k8s::Cluster>> ReadCluster(const Flags& flags) {
  if (!flags.is_in_cluster && flags.kubeconfig.empty()) return std::nullopt;
  auto cluster = flags.is_in_cluster ? k8s::InCluster([](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  })
                                     : k8s::ReadKubeconfig(flags.kubeconfig);
  if (!cluster.ok()) return cluster.status();
  return *std::move(cluster);
}

absl::Status Read(const Flags& flags, Plan* plan) {
  plan->plane.data_dir = flags.data_dir;
  if (flags.keeps_traffic) plan->plane.traffic_file = flags.data_dir + "/traffic.db";
  plan->plane.version = telemetry::kVersion;
  plan->plane.access_log_file = flags.access_log_file;
  plan->plane.authority.trust_domain = flags.trust_domain;
  plan->plane.reset_admin = flags.reset_admin;
  plan->plane.ignore_unreadable_policies = flags.ignore_unreadable_policies;
  const auto svid = ReadLifetime("--svid-ttl", flags.svid_ttl);
  if (!svid.ok()) return svid.status();
  const auto root = ReadLifetime("--root-ttl", flags.root_ttl);
  if (!root.ok()) return root.status();
  plan->plane.authority.svid_lifetime_seconds = *svid;
  plan->plane.authority.root_lifetime_seconds = *root;
  const auto level = telemetry::ParseLogLevel(flags.log_level);
  if (!level) {
    return absl::InvalidArgumentError("invalid --log-level " + flags.log_level +
                                      ": must be trace, debug, info, warning, error or off");
  }
  plan->level = *level;
  auto doors = ReadAddresses(flags);
  if (!doors.ok()) return doors.status();
  plan->doors = *std::move(doors);
  auto cluster = ReadCluster(flags);
  if (!cluster.ok()) return cluster.status();
  plan->cluster = *std::move(cluster);
  plan->has_roots_secret =
      flags.roots_secret.empty() ? flags.is_in_cluster : flags.roots_secret == "on";
  if (plan->has_roots_secret && !plan->cluster)
    return absl::InvalidArgumentError("--roots-secret requires --kubernetes or --kubeconfig");
  return absl::OkStatus();
}

bool CreateDataDir(const std::string& path, std::string* error) {
  if (mkdir(path.c_str(), 0700) == 0) return true;
  const int code = errno;
  std::error_code ignored;
  if (code == EEXIST && std::filesystem::is_directory(path, ignored)) return true;
  *error = "--data-dir " + path +
           (code == EEXIST ? " is not a directory"
                           : std::string(": cannot create directory: ") + strerror(code)) +
           (code == ENOENT ? "; create its parent directory first" : "; choose another --data-dir");
  return false;
}

// A core dump would hold the root's key. The limit alone does not keep a core from a program that
// the system pipes it to: that one gets no memory.
void KeepMemoryPrivate() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::ofstream("/proc/self/coredump_filter") << "0";
}

// Each sidecar is a connection: the usual soft limit of 1,024 descriptors is reached soon.
void AllowManyDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The way in for the admin: after a restore into an empty folder there is no file that tells it.
std::string AdminHint(const std::string& data_dir) {
  const std::string file = data_dir + "/admin.json";
  if (access(file.c_str(), F_OK) == 0) {
    return "for the admin: tullectl --credential-file " + file;
  }
  return file +
         " does not exist: use an existing credential, or create one for the admin by "
         "starting with --reset-admin";
}

int64_t SecondsNow(const loop::Loop& loop) {
  return std::chrono::duration_cast<std::chrono::seconds>(loop.WallNow().time_since_epoch())
      .count();
}

// A pod's name is that of its host. The same host may run this program again.
std::string ReplicaName(loop::Loop& loop) {
  char host[256] = "tulle-control";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "_", absl::Hex(loop.random().Below(UINT32_MAX), absl::kZeroPad8));
}

// Runs the loop until the roots that the replicas share are known. Kept empty: the process was
// asked to end before.
absl::Status ReadSharedRoots(Plan* plan, loop::Loop& loop, certs::KeySource& keys,
                             telemetry::Log& log) {
  const auto candidate = server::RootsOfStore(plan->plane, keys, SecondsNow(loop));
  if (!candidate.ok()) return candidate.status();
  kubernetes::RootsBootstrap bootstrap(loop, tls::TlsTransports(), *plan->cluster, *candidate, log,
                                       [&loop] { loop.Stop(); });
  bootstrap.Start();
  loop.Run();
  plan->plane.authority.shared_roots = bootstrap.roots();
  plan->plane.replica = ReplicaName(loop);
  return absl::OkStatus();
}

int Serve(const Flags& flags, Plan plan) {
  telemetry::Log log(plan.level,
                     flags.log_json ? telemetry::Log::Form::kJson : telemetry::Log::Form::kText);
  certs::SystemKeySource keys;
  const std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  // Before the store is created: no root is left behind by a start that fails.
  const absl::Status free = server::Frontend::CheckAddresses(plan.doors, *loop, log);
  if (!free.ok()) return Fail(free.message());
  std::string error;
  if (!CreateDataDir(flags.data_dir, &error)) return Fail(error);
  for (const int signal : {SIGTERM, SIGINT}) loop->OnSignal(signal, [&] { loop->Stop(); });
  if (plan.has_roots_secret) {
    const absl::Status read = ReadSharedRoots(&plan, *loop, keys, log);
    if (!read.ok()) return Fail(read.message());
    if (plan.plane.authority.shared_roots.empty()) return 0;
  }
  auto server = server::ControlServer::Open(plan.plane, plan.doors, *loop, tls::TlsTransports(),
                                            keys, log, plan.cluster);
  if (!server.ok()) return Fail(server.status().message());
  const server::Frontend& frontend = (*server)->frontend();
  log.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kMain,
            "serving sidecars on " + frontend.grpc_address().ToString() + ", the API on " +
                frontend.rest_address().ToString() + ", health on " +
                frontend.health_address().ToString() + "; " + AdminHint(flags.data_dir));
  loop->Run();
  const auto limit = loop->NewTimer([&loop] { loop->Stop(); });
  limit->Start(kMostToRelease);
  (*server)->Release([&loop] { loop->Stop(); });
  loop->Run();
  return 0;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("The control plane of the Tulle service mesh");
  Describe(&app, &flags);
  Plan plan;
  const auto code = usage::Parse(app, argc, argv, 1, [&] { return Read(flags, &plan); });
  if (code) return *code;
  KeepMemoryPrivate();
  AllowManyDescriptors();
  ExitOnFailedNew();
  loop::ExitOnFailedUvAllocation();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  // A file that may not grow is a full disk: the store says so, and the process lives.
  signal(SIGXFSZ, SIG_IGN);
  return Serve(flags, plan);
}

}  // namespace
}  // namespace tulle

int main(int argc, char** argv) { return tulle::Main(argc, argv); }
