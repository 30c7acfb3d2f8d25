#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

const Formats kTrafficFormats = {{"table", Format::kTable},
                                 {"wide", Format::kWide},
                                 {"json", Format::kJson},
                                 {"yaml", Format::kYaml}};
const Formats kEdgeFormats = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};

}  // namespace

void Grammar::TakeTraffic(CLI::App& command, const char* what) {
  TakeNamespaceAs(command, std::string(what) + " [all]");
  command.add_flag("-A,--all-namespaces", invocation_.all_namespaces,
                   "traffic of all namespaces (the default)");
  command
      .add_option("-t,--time-window", invocation_.window,
                  "in whole intervals of 10 s, at most 1h [1m]")
      ->type_name("DURATION");
}

void Grammar::AddTraffic() {
  CLI::App& stat =
      Add(app_, "stat", "Show success rate, requests per second and latency of each service",
          "  tullectl stat\n  tullectl stat -n shop -t 10m -o wide\n  tullectl stat --watch",
          Command::kStat);
  TakeTraffic(stat, "only services of this namespace");
  TakeWatch(stat);
  TakeFormat(stat, kTrafficFormats);

  CLI::App& edges = Add(app_, "edges",
                        "Show which service account calls which service, and whether by mutual TLS",
                        "  tullectl edges\n  tullectl edges -n shop -t 1h", Command::kEdges);
  TakeTraffic(edges, "only calls from or to this namespace");
  TakeWatch(edges);
  TakeFormat(edges, kEdgeFormats);

  CLI::App& top = Add(app_, "top", "Watch the busiest calls between service accounts and services",
                      "  tullectl top\n  tullectl top -n shop -t 10s", Command::kTop);
  TakeTraffic(top, "only calls from or to this namespace");
  TakeCount(top)->description("end after so many refreshes [never]");
  top.preparse_callback([this](size_t) { invocation_.watch = true; });

  CLI::App& dashboard =
      Add(app_, "dashboard", "Open the dashboard: services, traffic, traces, proxies and policies",
          "  tullectl dashboard\n  tullectl dashboard --no-open --port 8080", Command::kDashboard);
  TakeNumber(dashboard, "--port", &invocation_.page_port, 1, 65535, "port",
             "local port to listen on [a free one]")
      ->type_name("PORT");
  dashboard.add_flag("--no-open", invocation_.no_open, "print the link, open no browser");
}

}  // namespace tulle::cli
