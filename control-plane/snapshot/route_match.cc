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

}  // namespace

void SetMatch(const RouteMatch& match, routev3::RouteMatch* message) {
  switch (match.path.type) {
    case PathMatchType::kExact:
      message->set_path(match.path.value);
      break;
    case PathMatchType::kRegularExpression:
      message->mutable_safe_regex()->set_regex(match.path.value);
      break;
    case PathMatchType::kPathPrefix:
      if (match.path.value == "/") {
        message->set_prefix("/");
      } else {
        message->set_path_separated_prefix(match.path.value);
      }
      break;
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
