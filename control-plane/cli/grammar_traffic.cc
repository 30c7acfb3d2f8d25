#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

const Formats kTrafficFormats = {{"table", Format::kTable},
                                 {"wide", Format::kWide},
                                 {"json", Format::kJson},
                                 {"yaml", Format::kYaml}};
const Formats kPlainFormats = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};

}  // namespace

// SERVICE, --to, --from, -n and -A. `what` is shown: "calls".
void Grammar::TakeSelection(CLI::App& command, const std::string& what,
                            const std::string& of_namespace) {
  TrafficFlags& selection = invocation_.selection;
  CLI::Option* service = command.add_option("SERVICE", selection.service,
                                            "only " + what +
                                                " to this service, NAME or "
                                                "NAME.NAMESPACE");
  service->type_name("");
  command.add_option("--to", selection.service, "the same as SERVICE")
      ->type_name("SERVICE")
      ->excludes(service);
  command
      .add_option("--from", selection.from,
                  "only " + what + " of this caller: ACCOUNT.NAMESPACE, a SPIFFE ID, or unknown")
      ->type_name("CALLER");
  TakeNamespaceAs(command, of_namespace + " [all]");
  command.add_flag("-A,--all-namespaces", invocation_.all_namespaces,
                   what + " of all namespaces (the default)");
}

void Grammar::TakeWindow(CLI::App& command) {
  command
      .add_option("-t,--time-window", invocation_.window,
                  "in whole intervals of 10 s, at most 1h [1m]")
      ->type_name("DURATION");
}

void Grammar::AddTraffic() {
  CLI::App& stat =
      Add(app_, "stat", "Show success rate, requests per second and latency of services or routes",
          "  tullectl stat\n  tullectl stat -n shop -t 10m -o wide\n"
          "  tullectl stat cart.shop --by route --watch\n  tullectl stat --by edge --from web.shop",
          Command::kStat);
  TakeSelection(stat, "calls", "only services of this namespace");
  TakeWord(stat, "--by", &invocation_.selection.by, {"service", "route", "edge"}, "kind of row",
           "a row for each service, route or edge (caller and service) [service]")
      ->type_name("service|route|edge");
  TakeWindow(stat);
  TakeWatch(stat);
  TakeFormat(stat, kTrafficFormats);

  CLI::App& edges =
      Add(app_, "edges", "Show who calls which service, the identities, and whether by mutual TLS",
          "  tullectl edges\n  tullectl edges cart.shop --from web.shop -o wide\n"
          "  tullectl edges -n shop -t 1h",
          Command::kEdges);
  TakeSelection(edges, "calls", "only calls from or to this namespace");
  TakeWindow(edges);
  TakeWatch(edges);
  TakeFormat(edges, kTrafficFormats);

  AddTop();

  CLI::App& dashboard =
      Add(app_, "dashboard", "Open the dashboard: services, traffic, traces, proxies and policies",
          "  tullectl dashboard\n  tullectl dashboard --no-open --port 8080", Command::kDashboard);
  TakeNumber(dashboard, "--port", &invocation_.page_port, 1, 65535, "port",
             "local port to listen on [a free one]")
      ->type_name("PORT");
  dashboard.add_flag("--no-open", invocation_.no_open, "print the link, open no browser");
}

void Grammar::AddTop() {
  TapFlags& tap = invocation_.tap;
  CLI::App& top = Add(app_, "top", "Watch which requests are made most, by method and path",
                      "  tullectl top\n  tullectl top cart.shop --method GET\n"
                      "  tullectl top -n shop --count 1 -o json",
                      Command::kTop);
  top.description(
      "Watch which requests are made most, by method and path\n"
      "Counts requests as they end, from its start on, by a tap: at most 100 a second\n"
      "of each sidecar. `tullectl stat --by edge --watch` has the rates of all of them.");
  TakeSelection(top, "requests", "only requests to services of this namespace");
  top.add_option("--method", tap.method, "only this method, such as GET")->type_name("METHOD");
  top.add_option("--path", tap.path, "only paths with this prefix")->type_name("PREFIX");
  TakeCount(top)->description("end after so many refreshes [never]");
  top.add_flag("-w,--watch", invocation_.watch, "refresh every 2 s (the default)");
  TakeFormat(top, kPlainFormats);
  top.get_option("--output")->description("output format; json: one document a refresh");
}

}  // namespace tulle::cli
