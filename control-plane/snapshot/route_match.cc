#include "control-plane/snapshot/route_match.h"

namespace tulle::snapshot {
namespace {

namespace routev3 = envoy::config::route::v3;

using policy::PathMatchType;
using policy::RouteMatch;

void SetValue(const policy::ValueMatch& value, envoy::type::matcher::v3::StringMatcher* matcher) {
  if (value.is_regex) {
    matcher->mutable_safe_regex()->set_regex(value.value);
  } else {
    matcher->set_exact(value.value);
  }
}

// The path of a call is /SERVICE/METHOD.
void SetRpc(const policy::RpcMatch& rpc, routev3::RouteMatch* message) {
  if (rpc.is_regex || rpc.service.empty()) {
    message->mutable_safe_regex()->set_regex(policy::PatternOf(rpc));
  } else if (rpc.method.empty()) {
    message->set_prefix("/" + rpc.service + "/");
  } else {
    message->set_path("/" + rpc.service + "/" + rpc.method);
  }
}

void SetPathMatch(const policy::PathMatch& path, routev3::RouteMatch* message) {
  switch (path.type) {
    case PathMatchType::kExact:
      message->set_path(path.value);
      break;
    case PathMatchType::kRegularExpression:
      message->mutable_safe_regex()->set_regex(path.value);
      break;
    case PathMatchType::kPathPrefix:
      if (path.value == "/") {
        message->set_prefix("/");
      } else {
        message->set_path_separated_prefix(path.value);
      }
      break;
  }
}

}  // namespace

void SetMatch(const RouteMatch& match, routev3::RouteMatch* message) {
  if (match.rpc) {
    SetRpc(*match.rpc, message);
  } else {
    SetPathMatch(match.path, message);
  }
  if (match.method) {
    routev3::HeaderMatcher* method = message->add_headers();
    method->set_name(":method");
    method->mutable_string_match()->set_exact(*match.method);
  }
  for (const policy::ValueMatch& header : match.headers) {
    routev3::HeaderMatcher* matcher = message->add_headers();
    matcher->set_name(header.name);
    SetValue(header, matcher->mutable_string_match());
  }
  for (const policy::ValueMatch& parameter : match.query_params) {
    routev3::QueryParameterMatcher* matcher = message->add_query_parameters();
    matcher->set_name(parameter.name);
    SetValue(parameter, matcher->mutable_string_match());
  }
}

}  // namespace tulle::snapshot
