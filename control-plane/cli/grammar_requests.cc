#include <algorithm>
#include <cctype>

#include "control-plane/cli/grammar.h"
#include "control-plane/cli/kinds.h"

namespace tulle::cli {
namespace {

const Formats kTexts = {{"table", Format::kTable},
                        {"wide", Format::kWide},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};
const Formats kTextsWithName = {{"table", Format::kTable},
                                {"wide", Format::kWide},
                                {"name", Format::kName},
                                {"json", Format::kJson},
                                {"yaml", Format::kYaml}};
const Formats kPlainTexts = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};

}  // namespace

bool IsRequestId(const std::string& text) {
  if (KindNamed(text.substr(0, text.find('.'))).ok()) return false;
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Two things that need an explanation: a failed request, and a field of a policy.
void Grammar::AddExplain() {
  CLI::App& explain =
      Add(app_, "explain",
          "Explain what happened, or would happen, to a request; or a field of a policy",
          "  tullectl explain 6b1d2b3c-52a9-4a4d-9f0e-1f6a2c7d8e90      # a request\n"
          "  tullectl explain 4bf92f3577b34da6a3ce929d0e0e4736          # a trace\n"
          "  tullectl explain --from web.shop -- GET http://cart/items  # what would happen\n"
          "  tullectl explain                                           # kinds of policy\n"
          "  tullectl explain rp.spec.timeouts.request                  # a field\n"
          "  tullectl explain httproute.spec --recursive",
          std::nullopt);
  explain.require_subcommand(0);
  explain.description(
      "Explain what happened, or would happen, to a request; or a field of a policy\n"
      "With the ID of a request or trace: which sidecars it passed, what each of them\n"
      "decided, what ended it, and what to change. The ID is x-request-id, or that of\n"
      "the trace; `tullectl errors` has some. With a METHOD and a URL: what would\n"
      "happen now to such a request of --from. Nothing is sent, and the exit code is 1\n"
      "if it would fail. With a KIND of policy: its fields.");
  explain
      .add_option("ID|KIND|METHOD", invocation_.name,
                  "ID of a request or trace; or KIND, or KIND.FIELD.FIELD. Without it, the kinds "
                  "are listed")
      ->type_name("");
  explain.add_flag("--id", invocation_.is_id,
                   "take the argument as an ID [if it has a digit and is not a kind of policy]");
  explain.add_flag("-R,--recursive", invocation_.recursive,
                   "of a kind: list all fields below, as a tree");
  TakeWhatIf(explain);
  TakeFormat(explain, kTexts);
  explain.get_option("--output")->description("output format, of a request");
  explain.callback([this] {
    if (!invocation_.what_if.url.empty()) {
      invocation_.what_if.method = invocation_.name;
      invocation_.command = Command::kExplainWhatIf;
      return;
    }
    const bool is_request = invocation_.is_id || IsRequestId(invocation_.name);
    invocation_.command = is_request ? Command::kExplainRequest : Command::kExplain;
  });
}

void Grammar::AddTap() {
  TapFlags& tap = invocation_.tap;
  CLI::App& command = Add(app_, "tap", "Watch requests as they end",
                          "  tullectl tap cart -n shop\n  tullectl tap --failed\n"
                          "  tullectl tap cart.shop --from web.shop --method POST --requests 10\n"
                          "  tullectl tap cart.shop -H x-user:42 --show-headers\n"
                          "  tullectl tap -n shop --status 429,5xx --min-latency 250ms -o json",
                          Command::kTap);
  command.description(
      "Watch requests as they end\n"
      "Each request shows as its caller's sidecar sees it, and as its service's does.\n"
      "At most 100 requests a second of each sidecar are shown. Ctrl-C ends it.");
  TakeSelection(command, "requests", "only requests to services of this namespace");
  command.add_option("--method", tap.method, "only this method, such as GET")->type_name("METHOD");
  command.add_option("--path", tap.path, "only paths with this prefix")->type_name("PREFIX");
  command
      .add_option("--status", tap.status,
                  "only this status, a class like 5xx, or a range; several with commas")
      ->type_name("STATUS");
  command.add_option("--id", tap.id, "only this x-request-id or trace")->type_name("ID");
  command.add_flag("--failed", tap.failed, "only requests that failed");
  command.add_option("--min-latency", tap.min_latency, "only requests that took at least so long")
      ->type_name("DURATION");
  command.add_option("--max-latency", tap.max_latency, "only requests that took at most so long")
      ->type_name("DURATION");
  TakeTapHeaders(command);
  TakeNumber(command, "--requests", &tap.requests, 1, INT64_MAX, "number of requests",
             "end after so many requests [never]")
      ->type_name("NUMBER");
  command.add_option("--duration", tap.duration, "end after this time, like 30s or 10m [never]")
      ->type_name("DURATION");
  TakeFormat(command, kPlainTexts);
  command.get_option("--output")->description("output format; json: one request a line");
}

void Grammar::TakeTapHeaders(CLI::App& tap) {
  TapFlags& flags = invocation_.tap;
  tap.add_option("-H,--header", flags.headers,
                 "only requests with this header, and this value if there is one; may be repeated")
      ->type_name("NAME[:VALUE]")
      ->allow_extra_args(false);
  CLI::Option* shown = tap.add_flag("--show-headers", flags.show_headers,
                                    "show headers, without the values that may be secrets");
  tap.add_flag("--no-redact", flags.no_redact,
               "with the secrets, which needs the role admin and stands in the events")
      ->needs(shown);
}

void Grammar::AddEvents() {
  CLI::App& events = Add(app_, "events", "List what has happened in the mesh, the newest last",
                         "  tullectl events\n  tullectl events -n shop -t 10m\n"
                         "  tullectl events --for proxy/cart-1 --watch\n"
                         "  tullectl events --for httproute/post -o wide",
                         Command::kEvents);
  events.description(
      "List what has happened in the mesh, the newest last\n"
      "Policies that were changed, proxies that connected, rejected their configuration\n"
      "or were restarted, certificates issued and refused, rotations of the root, taps.\n"
      "tulle-control keeps the last 1,000 in memory.");
  TakeNamespaceAs(events, "only what is in this namespace [all]");
  events.add_flag("-A,--all-namespaces", invocation_.all_namespaces,
                  "what is in any namespace (the default)");
  events
      .add_option("--for", invocation_.object,
                  "only of this object: proxy/NAME, identity/ACCOUNT, or policies as for get")
      ->type_name("KIND/NAME");
  events
      .add_option("-t,--time-window", invocation_.window,
                  "only the last ones, like 10m or 2h [all that are kept]")
      ->type_name("DURATION");
  events.preparse_callback([this](size_t) { invocation_.window.clear(); });
  CLI::Option* watch =
      events.add_flag("-w,--watch", invocation_.watch, "show new ones too, until Ctrl-C");
  TakeCount(events)->needs(watch)->description("with --watch: look so often, every 2 s [for ever]");
  TakeFormat(events, kTexts);
}

void Grammar::AddBugReport() {
  CLI::App& report =
      Add(app_, "bug-report", "Write what others need to see to help, without secrets, to a file",
          "  tullectl bug-report\n  tullectl bug-report -o report.tar.gz --proxy cart-1",
          Command::kBugReport);
  report.description(
      "Write what others need to see to help, without secrets, to a file\n"
      "Status, checks, services, policies, events, failures, traffic and metrics of the\n"
      "control plane, and the configuration of proxies with problems; in a cluster logs\n"
      "too. Private keys, tokens, credentials, queries and values of headers are taken\n"
      "out; read it nevertheless before you give it to others.");
  report
      .add_option("-o,--output", invocation_.write_to,
                  "file to write, which must not exist [tulle-bug-report-TIME.tar.gz]")
      ->type_name("FILE");
  report
      .add_option("--proxy", invocation_.names,
                  "configuration of this proxy; may be repeated [up to 20 with problems]")
      ->type_name("PROXY")
      ->allow_extra_args(false);
}

void Grammar::AddRequests() {
  AddTap();
  AddEvents();
  AddBugReport();
  CLI::App& errors = Add(app_, "errors", "Count failed requests by cause, with an example of each",
                         "  tullectl errors\n  tullectl errors cart.shop --from web.shop --watch\n"
                         "  tullectl errors -n shop -t 10m -o wide",
                         Command::kErrors);
  TakeSelection(errors, "failures", "only failures of services of this namespace");
  TakeWindow(errors);
  errors.get_option("--time-window")->description("up to now, in whole minutes, at most 1h [1h]");
  errors.preparse_callback([this](size_t) { invocation_.window = "1h"; });
  TakeWatch(errors);
  TakeFormat(errors, kTextsWithName);
  errors.get_option("--output")
      ->description("output format; name: the IDs of the examples, for explain");
  CLI::App& trace = Add(app_, "trace", "Show the spans of a trace as a waterfall",
                        "  tullectl trace 4bf92f3577b34da6a3ce929d0e0e4736", Command::kTrace);
  trace.add_option("ID", invocation_.name, "ID of the trace, or of a request in it")
      ->required()
      ->type_name("");
  TakeFormat(trace, kPlainTexts);
  CLI::App& logs =
      Add(app_, "logs", "Show or set the log level of a sidecar",
          "  tullectl logs cart-1\n  tullectl logs cart-1 --level debug --for 10m", Command::kLogs);
  logs.description(
      "Show or set the log level of a sidecar\n"
      "The lines themselves go to the standard error of the sidecar: see the log of its\n"
      "service, or kubectl logs POD -c tulle-sidecar.");
  logs.add_option("PROXY", invocation_.name, "name, see tullectl status; a unique prefix is enough")
      ->required()
      ->type_name("");
  CLI::Option* level = TakeWord(logs, "--level", &invocation_.log_level,
                                {"trace", "debug", "info", "warning", "error", "off"}, "level",
                                "level from now on [it is shown]");
  level->type_name("trace|debug|info|warning|error|off");
  logs.add_option("--component", invocation_.log_component,
                  "only of this component, such as xds, proxy or upstream [all of them]")
      ->type_name("NAME")
      ->needs(level);
  logs.add_option("--for", invocation_.ttl,
                  "how long, at most 24h; then the previous level returns [until the sidecar "
                  "restarts]")
      ->type_name("DURATION")
      ->needs(level);
  TakeProxyNamespace(logs);
  TakeFormat(logs, kPlainTexts);
}

}  // namespace tulle::cli
