#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

const Formats kWhatIfFormats = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};

}  // namespace

CLI::Option* Grammar::TakeCaller(CLI::App& command) {
  WhatIfFlags& flags = invocation_.what_if;
  command.add_option("-H,--header", flags.headers, "header of the request; repeat for more")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false);
  return command
      .add_option("--from", flags.from, "caller: a proxy, ACCOUNT.NAMESPACE, or a SPIFFE ID")
      ->type_name("CALLER");
}

void Grammar::TakeWhatIf(CLI::App& explain) {
  CLI::Option* from = TakeCaller(explain);
  explain
      .add_option("URL", invocation_.what_if.url,
                  "of a request that is not sent: http://SERVICE[:PORT]/PATH")
      ->type_name("")
      ->needs(from);
  from->description("caller: a connected proxy, or ACCOUNT.NAMESPACE");
  TakeNamespace(explain, false);
}

void Grammar::AddAuthz() {
  CLI::App& authz = Add(app_, "authz", "Check who may call what",
                        "  tullectl authz check --from web.shop --to cart.shop", std::nullopt);
  CLI::App& check = Add(
      authz, "check", "Show whether a service would let a request pass, and which policy decides",
      "  tullectl authz check --from web.shop --to cart.shop\n"
      "  tullectl authz check --from web --to cart --method DELETE --path /items/1",
      Command::kAuthzCheck);
  check.description(
      "Show whether a service would let a request pass, and which policy decides\n"
      "A sidecar of the service decides as for a real request; nothing is sent. Without\n"
      "--from the request comes in plaintext. The exit code is 1 if it is denied.");
  WhatIfFlags& flags = invocation_.what_if;
  TakeCaller(check);
  check.add_option("--to", flags.to, "service: NAME, or NAME.NAMESPACE")
      ->required()
      ->type_name("SERVICE");
  check.add_option("--method", flags.method, "method [GET]")->type_name("METHOD");
  check.add_option("--path", flags.path, "path [/]")->type_name("PATH");
  TakeNumber(check, "--port", &flags.port, 1, 65535, "port", "port of the service [any]")
      ->type_name("PORT");
  TakeNamespace(check, false);
  TakeFormat(check, kWhatIfFormats);
}

}  // namespace tulle::cli
