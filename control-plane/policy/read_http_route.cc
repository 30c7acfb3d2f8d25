#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

// The Gateway API's own limits.
constexpr size_t kMostParents = 32;
constexpr size_t kMostHostnames = 16;
constexpr size_t kMostRules = 16;
constexpr size_t kMostMatches = 64;
constexpr size_t kMostBackends = 16;
constexpr size_t kMostHeaders = 16;
// What the sidecars take.
constexpr size_t kMostMirrors = 2;
constexpr int kMostRegexSteps = 10000;

void CheckRegex(ObjectReader& reader, const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  const RE2 regex(text.size() <= 1024 ? text : "(", options);
  if (text.empty()) {
    reader.Complain("value", "is an empty regular expression", "write .* for anything");
  } else if (!regex.ok()) {
    reader.Complain("value", "is no regular expression of RE2's syntax",
                    "see the syntax of RE2; no back references, at most 1024 bytes");
  } else if (regex.ProgramSize() > kMostRegexSteps) {
    reader.Complain("value", "is too large a regular expression: it repeats too much",
                    "repeat less, or use * and + instead of counts like {100}");
  }
}

PathMatch ReadPath(ObjectReader& reader) {
  PathMatch path;
  path.type =
      reader
          .Choice<PathMatchType>("type", {{"Exact", PathMatchType::kExact},
                                          {"PathPrefix", PathMatchType::kPathPrefix},
                                          {"RegularExpression", PathMatchType::kRegularExpression}})
          .value_or(PathMatchType::kPathPrefix);
  path.value = reader.Text("value").value_or("/");
  if (path.type == PathMatchType::kRegularExpression) {
    CheckRegex(reader, path.value);
    return path;
  }
  const bool is_clean = path.value.find("//") == std::string::npos &&
                        path.value.find("/./") == std::string::npos &&
                        path.value.find("/../") == std::string::npos &&
                        path.value.find_first_of("?#") == std::string::npos;
  if (!IsRequestPath(path.value) || !is_clean) {
    reader.Complain("value", "is no path that a request can have",
                    "begin with /, without //, /./, /../, ?, # and blanks (write %20), at most "
                    "1024 bytes");
  }
  if (path.type == PathMatchType::kPathPrefix) {
    while (path.value.size() > 1 && path.value.back() == '/') path.value.pop_back();
  }
  return path;
}

}  // namespace

std::vector<ValueMatch> ReadValueMatches(ObjectReader& match, std::string_view key) {
  std::vector<ValueMatch> values;
  match.List(key, kMostHeaders, [&](const YAML::Node& node, const std::string& path) {
    ObjectReader reader(node, path, match.diagnosis());
    ValueMatch value;
    value.is_regex = reader.Choice<bool>("type", {{"Exact", false}, {"RegularExpression", true}})
                         .value_or(false);
    value.name = reader.RequiredText("name", "write its name");
    value.value = reader.RequiredText("value", "write the value to compare with");
    if (!value.name.empty() && key == "headers" && !IsToken(value.name)) {
      reader.Complain("name", "is no name of a header", "letters, digits and -");
    }
    if (value.is_regex) CheckRegex(reader, value.value);
    const auto same = [&](const ValueMatch& other) { return other.name == value.name; };
    if (std::any_of(values.begin(), values.end(), same)) {
      reader.Complain("name", "is matched twice", "keep one: only the first would count");
    }
    reader.Finish();
    values.push_back(std::move(value));
  });
  return values;
}

namespace {

HttpRouteMatch ReadMatch(const YAML::Node& node, const std::string& path, Diagnosis* diagnosis) {
  ObjectReader reader(node, path, diagnosis);
  HttpRouteMatch match;
  reader.Object("path", [&](ObjectReader& value) { match.path = ReadPath(value); });
  match.headers = ReadValueMatches(reader, "headers");
  match.query_params = ReadValueMatches(reader, "queryParams");
  match.method = reader.Text("method");
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (match.method && (match.method->empty() ||
                       !std::all_of(match.method->begin(), match.method->end(), is_upper))) {
    reader.Complain("method", "is no method", "write it in capitals, like GET or POST");
  }
  reader.Finish();
  return match;
}

void CheckHeaderName(ObjectReader& reader, std::string_view key, const std::string& name) {
  if (name.empty()) return;
  if (!IsToken(name))
    reader.Complain(key, "\"" + name + "\" is no name of a header", "letters, digits and -");
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  // Framing and routing belong to the proxy: changing them here would smuggle requests.
  static constexpr std::string_view kReserved[] = {
      "host", "connection", "content-length", "keep-alive",        "proxy-connection",
      "te",   "trailer",    "upgrade",        "transfer-encoding", "x-forwarded-client-cert"};
  if (std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved)) {
    reader.Complain(key, "\"" + name + "\" is set by the proxy itself", "choose another header");
  }
}

std::vector<HeaderValue> ReadHeaderValues(ObjectReader& modifier, std::string_view key) {
  std::vector<HeaderValue> headers;
  modifier.List(key, kMostHeaders, [&](const YAML::Node& node, const std::string& path) {
    ObjectReader reader(node, path, modifier.diagnosis());
    HeaderValue header;
    header.name = reader.RequiredText("name", "write the header's name");
    header.value = reader.Text("value").value_or("");
    CheckHeaderName(reader, "name", header.name);
    if (!IsHeaderValue(header.value)) {
      reader.Complain("value", "cannot be sent in a header",
                      "no control characters, at most 4096 bytes");
    }
    reader.Finish();
    headers.push_back(std::move(header));
  });
  return headers;
}

HeaderModifier ReadHeaderModifier(ObjectReader& reader) {
  HeaderModifier modifier;
  modifier.set = ReadHeaderValues(reader, "set");
  modifier.add = ReadHeaderValues(reader, "add");
  modifier.remove = reader.Texts("remove", kMostHeaders);
  for (const std::string& name : modifier.remove) CheckHeaderName(reader, "remove", name);
  return modifier;
}

PathModifier ReadPathModifier(ObjectReader& reader) {
  PathModifier path;
  enum class Type { kFull, kPrefix };
  const auto type = reader.Choice<Type>(
      "type", {{"ReplaceFullPath", Type::kFull}, {"ReplacePrefixMatch", Type::kPrefix}});
  const bool full = type == Type::kFull;
  const char* key = full ? "replaceFullPath" : "replacePrefixMatch";
  const std::string value = reader.RequiredText(key, "write the new path");
  const bool is_path = IsRequestPath(value) && value.find_first_of("?#") == std::string::npos;
  if (!value.empty() && !is_path) {
    reader.Complain(key, "is no path", "begin with /, without ?, # and blanks, at most 1024 bytes");
  }
  (full ? path.full : path.prefix) = value;
  return path;
}

std::optional<std::string> ReadHostname(ObjectReader& reader) {
  const std::optional<std::string> host = reader.Text("hostname");
  if (host && !IsDnsName(*host)) {
    reader.Complain("hostname", "\"" + *host + "\" is no host name", "lower case, without port");
  }
  return host;
}

RedirectFilter ReadRedirect(ObjectReader& reader) {
  RedirectFilter redirect;
  redirect.scheme = reader.Text("scheme");
  if (redirect.scheme && *redirect.scheme != "http" && *redirect.scheme != "https")
    reader.Complain("scheme", "is no scheme of the web", "write http or https");
  redirect.hostname = ReadHostname(reader);
  reader.Object("path", [&](ObjectReader& path) { redirect.path = ReadPathModifier(path); });
  redirect.port = reader.Integer("port", 1, 65535);
  redirect.status = reader.Integer("statusCode", 301, 308).value_or(redirect.status);
  constexpr uint32_t kCodes[] = {301, 302, 303, 307, 308};
  if (std::find(std::begin(kCodes), std::end(kCodes), redirect.status) == std::end(kCodes))
    reader.Complain("statusCode", "is no redirect", "301, 302, 303, 307 or 308");
  return redirect;
}

RewriteFilter ReadRewrite(ObjectReader& reader) {
  RewriteFilter rewrite;
  rewrite.hostname = ReadHostname(reader);
  reader.Object("path", [&](ObjectReader& path) { rewrite.path = ReadPathModifier(path); });
  if (!rewrite.hostname && !rewrite.path)
    reader.Complain("path", "is missing, and so is hostname", "write what shall be rewritten");
  return rewrite;
}

MirrorFilter ReadMirror(ObjectReader& reader, const std::string& ns) {
  MirrorFilter mirror;
  const bool there = reader.Object("backendRef", [&](ObjectReader& backend) {
    mirror.service = ReadServiceRef(backend, ns, false);
    if (!backend.Has("port")) backend.Complain("port", "is missing", "write the Service's port");
    mirror.port = backend.Integer("port", 1, 65535).value_or(0);
  });
  if (!there) reader.Complain("backendRef", "is missing", "write name and port below it");
  mirror.percent = reader.Integer("percent", 0, 100).value_or(100);
  return mirror;
}

void ReadHeaderFilter(ObjectReader& reader, bool is_request, HttpRouteRule* rule) {
  const char* key = is_request ? "requestHeaderModifier" : "responseHeaderModifier";
  HeaderModifier& modifier = is_request ? rule->request_headers : rule->response_headers;
  if (modifier != HeaderModifier()) {
    reader.Complain("type", "stands there twice", "put both changes into one filter");
  }
  if (!reader.Object(key, [&](ObjectReader& value) { modifier = ReadHeaderModifier(value); })) {
    reader.Complain(key, "is missing", "write set, add or remove below it");
  }
}

constexpr char kFilterTypes[] =
    "RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite or RequestMirror";

void ReadFilter(const YAML::Node& node, const std::string& path, Diagnosis* diagnosis,
                const std::string& ns, HttpRouteRule* rule) {
  ObjectReader reader(node, path, diagnosis);
  const std::string type = reader.RequiredText("type", kFilterTypes);
  if (type.empty()) return;
  bool there = true;
  if (type == "RequestHeaderModifier" || type == "ResponseHeaderModifier") {
    ReadHeaderFilter(reader, type == "RequestHeaderModifier", rule);
  } else if (type == "RequestRedirect") {
    if (rule->redirect) reader.Complain("type", "stands there twice", "keep one: a rule has one");
    there = reader.Object("requestRedirect",
                          [&](ObjectReader& value) { rule->redirect = ReadRedirect(value); });
  } else if (type == "URLRewrite") {
    if (rule->rewrite) {
      reader.Complain("type", "stands there twice", "put hostname and path into one filter");
    }
    there = reader.Object("urlRewrite",
                          [&](ObjectReader& value) { rule->rewrite = ReadRewrite(value); });
  } else if (type == "RequestMirror") {
    there = reader.Object("requestMirror", [&](ObjectReader& value) {
      rule->mirrors.push_back(ReadMirror(value, ns));
    });
  } else {
    return reader.Complain("type", "\"" + type + "\" is not supported in this version",
                           kFilterTypes);
  }
  if (!there) reader.Complain("type", "says more than is there", "write its fields below it");
  reader.Finish();
}

// What the Gateway API forbids, or what nothing could come of.
void CheckFilters(ObjectReader& reader, const HttpRouteRule& rule) {
  if (rule.redirect && rule.rewrite)
    reader.Complain("filters", "redirect and rewrite", "leave one of the two");
  if (rule.mirrors.size() > kMostMirrors) {
    reader.Complain("filters", "holds more than 2 RequestMirrors", "leave the others out");
  }
  if (rule.redirect && !rule.backends.empty())
    reader.Complain("backendRefs", "are never reached, for the rule redirects", "leave them out");
  const auto replaces_prefix = [](const std::optional<PathModifier>& path) {
    return path && path->prefix;
  };
  const bool prefix = (rule.redirect && replaces_prefix(rule.redirect->path)) ||
                      (rule.rewrite && replaces_prefix(rule.rewrite->path));
  const bool all_prefixes = std::all_of(
      rule.matches.begin(), rule.matches.end(),
      [](const HttpRouteMatch& match) { return match.path.type == PathMatchType::kPathPrefix; });
  if (prefix && !all_prefixes) {
    reader.Complain("filters", "replacePrefixMatch has no prefix to replace",
                    "match paths by PathPrefix alone in this rule");
  }
}

BackendRef ReadBackend(const YAML::Node& node, const std::string& path, Diagnosis* diagnosis,
                       const std::string& ns) {
  ObjectReader reader(node, path, diagnosis);
  BackendRef backend;
  backend.service = ReadServiceRef(reader, ns, false);
  backend.weight = reader.Integer("weight", 0, 1000000).value_or(1);
  if (!reader.Has("port")) reader.Complain("port", "is missing", "write the Service's port");
  backend.port = reader.Integer("port", 1, 65535).value_or(0);
  if (reader.Has("filters")) {
    reader.Complain("filters", "is not supported on a backend in this version",
                    "put the filter on the rule");
  }
  reader.Finish();
  return backend;
}

void ReadTimeouts(ObjectReader& reader, HttpRouteRule* rule) {
  rule->request_timeout = reader.Duration("request");
  rule->backend_request_timeout = reader.Duration("backendRequest");
  const bool is_bounded = rule->request_timeout && rule->request_timeout->count() > 0;
  if (is_bounded && rule->backend_request_timeout &&
      *rule->backend_request_timeout > *rule->request_timeout) {
    reader.Complain("backendRequest", "is longer than timeouts.request",
                    "make it at most " + FormatDuration(*rule->request_timeout));
  }
}

RouteRetry ReadRetry(ObjectReader& reader) {
  RouteRetry retry;
  retry.codes = reader.Integers("codes", 400, 599, 32);
  retry.attempts = reader.Integer("attempts", 0, 10);
  retry.backoff = reader.Duration("backoff");
  if (retry.backoff && retry.backoff->count() == 0) {
    reader.Complain("backoff", "cannot be none", "write a time like 25ms");
  }
  return retry;
}

HttpRouteRule ReadRule(const YAML::Node& node, const std::string& path, Diagnosis* diagnosis,
                       const std::string& ns) {
  ObjectReader reader(node, path, diagnosis);
  HttpRouteRule rule;
  reader.List("matches", kMostMatches, [&](const YAML::Node& match, const std::string& at) {
    rule.matches.push_back(ReadMatch(match, at, diagnosis));
  });
  if (rule.matches.empty()) rule.matches.emplace_back();
  reader.List("filters", 16, [&](const YAML::Node& filter, const std::string& at) {
    ReadFilter(filter, at, diagnosis, ns, &rule);
  });
  reader.List("backendRefs", kMostBackends, [&](const YAML::Node& backend, const std::string& at) {
    rule.backends.push_back(ReadBackend(backend, at, diagnosis, ns));
  });
  CheckFilters(reader, rule);
  reader.Object("timeouts", [&](ObjectReader& value) { ReadTimeouts(value, &rule); });
  reader.Object("retry", [&](ObjectReader& value) {
    const RouteRetry retry = ReadRetry(value);
    if (retry.attempts || retry.backoff || !retry.codes.empty()) rule.retry = retry;
  });
  if (reader.Has("sessionPersistence")) {
    reader.Complain("sessionPersistence", "is not supported in this version", "leave it out");
  }
  reader.Finish();
  return rule;
}

}  // namespace

HttpRoute ReadHttpRoute(ObjectReader& spec, const std::string& ns) {
  HttpRoute route;
  spec.List("parentRefs", kMostParents, [&](const YAML::Node& node, const std::string& path) {
    ObjectReader reader(node, path, spec.diagnosis());
    ParentRef parent;
    parent.service = ReadServiceRef(reader, ns, true);
    parent.port = reader.Integer("port", 1, 65535);
    if (std::find(route.parents.begin(), route.parents.end(), parent) != route.parents.end()) {
      reader.Complain("name", "names the same parent twice", "keep one");
    }
    reader.Finish();
    route.parents.push_back(std::move(parent));
  });
  if (route.parents.empty()) {
    spec.Complain("parentRefs", spec.Has("parentRefs") ? "holds no Service" : "is missing",
                  "write - {kind: Service, name: ...}");
  }
  route.hostnames = spec.Texts("hostnames", kMostHostnames);
  for (const std::string& host : route.hostnames) {
    const bool has_wildcard = host.starts_with("*.");
    if (IsMeshName(host)) {
      spec.Complain("hostnames", "\"" + host + "\" is a name of the mesh itself",
                    "leave it out: parents are reached by their own names already");
    } else if (!IsDnsName(has_wildcard ? std::string_view(host).substr(2) : host)) {
      spec.Complain("hostnames", "\"" + host + "\" is no host name",
                    "lower case, without port; *.example.org is allowed");
    }
  }
  spec.List("rules", kMostRules, [&](const YAML::Node& node, const std::string& path) {
    route.rules.push_back(ReadRule(node, path, spec.diagnosis(), ns));
  });
  if (route.rules.empty()) {
    spec.Complain("rules", spec.Has("rules") ? "holds no rule" : "is missing",
                  "write at least one rule");
  }
  return route;
}

}  // namespace tulle::policy
