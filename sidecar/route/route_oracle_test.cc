#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "net/base/slab.h"
#include "sidecar/route/route_table.h"

// Compares the compiled table with a matcher that reads the specs line by line.
namespace tulle::route {
namespace {

using Random = std::mt19937;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// 0: no match; higher is better.
size_t DomainScore(const std::string& raw, const std::string& authority) {
  const std::string domain = Lower(raw);
  if (domain == "*") return 1;
  if (domain[0] == '*') {
    const std::string rest = domain.substr(1);
    return authority.size() > rest.size() && authority.ends_with(rest) ? 20000 + rest.size() : 0;
  }
  if (domain.back() == '*') {
    const std::string rest = domain.substr(0, domain.size() - 1);
    return authority.size() > rest.size() && authority.starts_with(rest) ? 10000 + rest.size() : 0;
  }
  return domain == authority ? 30000 : 0;
}

// An authority with or without the port of http is the same; the given spelling comes first.
size_t HostScore(const std::string& domain, const std::string& authority) {
  const bool has_own = authority.ends_with(":80");
  std::string other = authority.substr(0, authority.size() - (has_own ? 3 : 0));
  if (!has_own && authority.find(':') == std::string::npos) other += ":80";
  const size_t given = DomainScore(domain, authority);
  return std::max(given == 0 ? 0 : given * 2 + 1, DomainScore(domain, other) * 2);
}

bool NaivePath(const PathSpec& path, std::string value) {
  std::string text = path.text;
  if (path.ignore_case) {
    text = Lower(text);
    value = Lower(value);
  }
  if (path.kind == PathKind::kExact) return value == text;
  if (!value.starts_with(text)) return false;
  return path.kind == PathKind::kPrefix || value.size() == text.size() || value[text.size()] == '/';
}

bool NaiveRoute(const RouteSpec& route, const http::Head& head) {
  if (!NaivePath(route.match.path, std::string(head.path))) return false;
  for (const match::HeaderSpec& header : route.match.headers) {
    const std::string wanted = std::get<match::StringSpec>(header.value).text;
    std::string joined;
    bool found = false;
    for (const http::Header& have : head.headers.all()) {
      if (Lower(std::string(have.name)) != header.name) continue;
      if (found) joined += ",";
      found = true;
      joined += have.value;
    }
    if (!found || (joined == wanted) == header.invert) return false;
  }
  return true;
}

std::string NaiveCluster(const RouteTableSpec& spec, const http::Head& head) {
  const VirtualHostSpec* best = nullptr;
  size_t best_score = 0;
  for (const VirtualHostSpec& host : spec.virtual_hosts) {
    for (const std::string& domain : host.domains) {
      const size_t score = HostScore(domain, Lower(std::string(head.authority)));
      if (score > best_score) {
        best = &host;
        best_score = score;
      }
    }
  }
  if (best == nullptr) return "no host";
  for (const RouteSpec& route : best->routes) {
    if (NaiveRoute(route, head)) return std::get<ForwardSpec>(route.action).clusters[0].name;
  }
  return "no route";
}

template <typename T>
const T& Any(Random& random, const std::vector<T>& from) {
  return from[random() % from.size()];
}

std::string RandomName(Random& random) {
  static const std::vector<std::string> kLabels = {"a", "b", "A", "ab", "ns", "svc"};
  std::string name = Any(random, kLabels);
  for (uint32_t i = random() % 3; i > 0; --i) name += "." + Any(random, kLabels);
  if (random() % 3 == 0) name += ":80";
  return name;
}

RouteSpec RandomRoute(Random& random, int number) {
  static const std::vector<std::string> kPaths = {"/a", "/A/b", "/a/b", "/ab", "/b"};
  RouteSpec route;
  route.match.path = {
      Any<PathKind>(random, {PathKind::kPrefix, PathKind::kExact, PathKind::kSeparatedPrefix}),
      Any(random, kPaths), random() % 3 == 0};
  if (random() % 3 == 0) {
    route.match.headers.push_back(
        {"x-h",
         match::StringSpec{match::StringKind::kExact, Any<std::string>(random, {"1", "1,2"})},
         random() % 2 == 0});
  }
  route.action = ForwardSpec{{{"c" + std::to_string(number)}}};
  return route;
}

RouteTableSpec RandomTable(Random& random) {
  RouteTableSpec spec;
  int number = 0;
  for (uint32_t hosts = random() % 8; hosts > 0; --hosts) {
    VirtualHostSpec host;
    for (uint32_t i = 1 + random() % 3; i > 0; --i) {
      std::string domain = RandomName(random);
      const uint32_t kind = random() % 5;
      if (kind == 0) domain = "*." + domain;
      if (kind == 1) domain += "*";
      if (kind == 2 && random() % 4 == 0) domain = "*";
      host.domains.push_back(domain);
    }
    for (uint32_t i = random() % 6; i > 0; --i)
      host.routes.push_back(RandomRoute(random, ++number));
    spec.virtual_hosts.push_back(std::move(host));
  }
  return spec;
}

TEST(RouteOracleTest, CompiledTablesAgreeWithTheNaiveMatcher) {
  Random random(20240611);
  int tables = 0;
  int matched = 0;
  while (tables < 400) {
    const RouteTableSpec spec = RandomTable(random);
    const auto table = RouteTable::Compile(spec);
    if (!table.ok()) continue;  // a domain twice
    ++tables;
    for (int i = 0; i < 100; ++i) {
      Slab slab;
      Arena arena(slab);
      http::Head head(arena);
      const std::string authority = RandomName(random);
      const std::string path = Any<std::string>(random, {"/", "/a", "/a/b", "/A/B", "/abc", "/b/"});
      head.authority = authority;
      head.path = path;
      for (uint32_t copies = random() % 3; copies > 0; --copies) {
        head.headers.Add("X-H", copies == 1 ? "2" : "1");
      }
      const RouteMatch match = (*table)->Match(head, random());
      const std::string got = match.virtual_host == nullptr ? "no host"
                              : match.route == nullptr      ? "no route"
                                                            : match.target->cluster;
      ASSERT_EQ(got, NaiveCluster(spec, head)) << authority << path;
      if (match.route != nullptr) ++matched;
    }
  }
  EXPECT_GT(matched, 3000) << "the tables must hit often enough to mean something";
}

}  // namespace
}  // namespace tulle::route
