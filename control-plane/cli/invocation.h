// A parsed command line: the command and its arguments. A value, made by ParseCommandLine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/cli/destination.h"
#include "k8s/install/settings.h"

namespace tulle::cli {

enum class Command {
  kApply,
  kGet,
  kDescribe,
  kDelete,
  kDiff,
  kValidate,
  kStatus,
  kProxyConfig,
  kServices,
  kTokenCreate,
  kCertIssue,
  kCertRotate,
  kCertRoots,
  kCheck,
  kVersion,
  kConfigGet,
  kConfigCurrent,
  kConfigUse,
  kConfigUnset,
  kConfigSet,
  kConfigDelete,
  kConfigView,
  kCompletion,
  kHistory,
  kRollback,
  kBackup,
  kRestore,
  kHosts,
  kRun,
  kTokenList,
  kTokenRevoke,
  kEvict,
  kRegister,
  kDeregister,
  kEnvoyBootstrap,
  kCredentialCreate,
  kCredentialList,
  kCredentialDelete,
  kExplain,
  kInject,
  kInstall,
  kUninstall,
  kStat,
  kEdges,
  kTop,
  kExplainRequest,
  kTap,
  kExplainWhatIf,
  kAuthzCheck,
  kErrors,
  kTrace,
  kDashboard,
  kLogs,
  kEvents,
  kBugReport,
};

enum class Format { kTable, kWide, kName, kJson, kYaml, kRaw };

// A program with a sidecar.
struct RunFlags {
  std::vector<std::string> program;  // after --
  uint16_t port = 0;                 // that the program listens on
  uint16_t service_port = 0;         // 0: the same
  uint16_t listen_port = 0;          // the sidecar's inbound; 0: a free one
  std::string protocol = "http";
  std::string address;
  std::vector<std::string> upstreams;  // SERVICE:PORT=LISTEN
  std::vector<std::string> opaque_ports;
  std::vector<std::string> skip_ports;
  std::string sidecar;     // the program; empty: found
  std::string control;     // HOST:PORT; empty: the server's, at the port that it names
  std::string token_file;  // empty: a token is made
  std::string state_directory;
  std::string log_level = "warning";
  int drain_seconds = 30;
  std::vector<std::string> no_proxy;  // hosts that are called past the sidecar
  std::string metrics;                // ADDRESS:PORT of the sidecar's own; empty: none
  std::string health;
  bool cause_header = false;
};

// A workload whose proxy does not register itself.
struct RegisterFlags {
  std::string address;
  std::vector<std::string> inbound;  // LISTEN:APPLICATION[:SERVICE]/PROTOCOL
  uint16_t outbound_http = 0;
  std::vector<std::string> outbound_tcp;  // SERVICE:PORT=LISTEN
  uint16_t admin_port = 15000;            // of its Envoy
};

// Which requests are watched, and until when.
struct TapFlags {
  std::string method;
  std::string path;
  std::string status;
  std::string id;
  bool failed = false;
  std::string min_latency;  // like 250ms; empty: any
  std::string max_latency;
  std::vector<std::string> headers;  // NAME, or NAME:VALUE
  bool show_headers = false;
  bool no_redact = false;
  int64_t requests = 0;  // 0: no end
  std::string duration;  // empty: no end
};

// Whose traffic is shown.
struct TrafficFlags {
  std::string service;         // that was called: NAME, or NAME.NAMESPACE
  std::string from;            // ACCOUNT.NAMESPACE, a SPIFFE ID, or "unknown"
  std::string by = "service";  // or "route", "edge"
};

// A request that is not sent.
struct WhatIfFlags {
  std::string from;  // a proxy, ACCOUNT.NAMESPACE or SPIFFE ID; empty: plaintext
  std::string to;    // a service
  std::string method = "GET";
  std::string path = "/";
  std::string url;
  std::vector<std::string> headers;  // NAME: VALUE
  uint16_t port = 0;                 // of the service; 0: any
};

struct Invocation {
  Command command = Command::kVersion;
  ConnectionFlags connection;
  Format format = Format::kTable;
  std::vector<std::string> files;  // "-": standard input
  bool recursive = false;
  bool dry_run = false;
  bool ignore_not_found = false;
  std::string kind;                // of policies, as typed: several with commas, or KIND/NAME
  std::vector<std::string> names;  // of policies, or more KIND/NAME
  std::string name;                // of a proxy, service or context; path of a field
  std::string part;                // of a proxy's configuration
  std::string ns;                  // empty: the context's
  bool all_namespaces = false;
  std::vector<std::string> services;
  std::string account;
  std::string ttl;
  std::string directory;
  bool force = false;
  bool yes = false;
  bool watch = false;  // show it again every 2 s
  bool wait = false;   // until a rotation is complete
  bool client_only = false;
  std::string shell;
  int64_t revision = 0;  // of a rollback; 0: before the last change
  std::string write_to;  // a hosts file, or a bug report
  std::string remove_from;
  std::string data_directory;
  RunFlags run;
  RegisterFlags registration;
  std::string role;  // of a credential
  install::Settings installation;
  int replicas = 1;
  bool cni = false;
  bool skip_crds = false;
  std::string chart;            // folder to write
  bool apply = false;           // to the cluster, instead of printing
  int wait_seconds = 180;       // for an installation
  bool before_install = false;  // checks
  std::string window = "1m";    // of traffic
  std::string object;           // of events: KIND/NAME; empty: all
  int64_t refreshes = 0;        // while it is watched; 0: no end
  TapFlags tap;
  TrafficFlags selection;
  WhatIfFlags what_if;
  bool is_id = false;         // of a request, whatever it looks like
  bool is_live = false;       // as the proxy itself says
  bool wants_diff = false;    // between that and what it was sent
  std::string fqdn;           // of resources of a proxy; empty: any
  uint16_t port = 0;          // the same; 0: any
  std::string log_level;      // empty: it is shown
  std::string log_component;  // empty: all
  uint16_t page_port = 0;     // of the dashboard on this host; 0: a free one
  bool no_open = false;       // only prints its link
};

}  // namespace tulle::cli
