#include "control-plane/policy/route_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

Document Route(const std::string& name, const std::string& rules, int64_t created_at = 0,
               const std::string& ns = "default", const std::string& kind = "HTTPRoute") {
  const ParsedFile parsed = ParseDocuments(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: " + name +
          ", namespace: " + ns + "}\nspec: {parentRefs: [{kind: Service, name: post}], rules: [" +
          rules + "]}\n",
      "f");
  EXPECT_TRUE(parsed.ok()) << ToText(parsed.problems) << rules;
  Document document = parsed.documents.at(0);
  document.created_at = created_at;
  return document;
}

std::vector<std::string> NamesOf(const std::vector<Document>& routes) {
  std::vector<const Document*> pointers;
  for (const Document& route : routes) pointers.push_back(&route);
  std::vector<std::string> names;
  for (const RankedMatch& match : InOrder(pointers)) names.push_back(match.Name());
  return names;
}

using Names = std::vector<std::string>;

TEST(RouteOrder, TheMostSpecificMatchGoesFirstWhicheverRouteItIsIn) {
  const std::vector<Document> routes = {
      Route("a", "{matches: [{path: {value: /}}, {path: {value: /shop/cart}}]}", 1),
      Route("b", "{matches: [{path: {value: /shop}}, {path: {type: Exact, value: /x}}]}", 2)};
  EXPECT_EQ(NamesOf(routes),
            (Names{"default/b[0][1]", "default/a[0][1]", "default/b[0][0]", "default/a[0][0]"}));
}

TEST(RouteOrder, AfterThePathComeMethodThenHeadersThenQueryParameters) {
  const std::vector<Document> routes = {
      Route("none", "{}"),
      Route("one-parameter", "{matches: [{queryParams: [{name: a, value: b}]}]}"),
      Route("one-header", "{matches: [{headers: [{name: a, value: b}]}]}"),
      Route("two-headers", "{matches: [{headers: [{name: a, value: b}, {name: c, value: d}]}]}"),
      Route("method", "{matches: [{method: GET}]}"),
      Route("path", "{matches: [{path: {value: /p}}]}"),
      Route("expression", "{matches: [{path: {type: RegularExpression, value: /.}}]}")};
  EXPECT_EQ(NamesOf(routes),
            (Names{"default/expression[0][0]", "default/path[0][0]", "default/method[0][0]",
                   "default/two-headers[0][0]", "default/one-header[0][0]",
                   "default/one-parameter[0][0]", "default/none[0][0]"}));
}

TEST(RouteOrder, OfEqualMatchesTheOldestRouteIsUsedThenTheFirstNameThenTheFirstInTheRoute) {
  const std::vector<Document> routes = {Route("c", "{}, {}", 7), Route("b", "{}", 7),
                                        Route("a", "{}", 8)};
  EXPECT_EQ(NamesOf(routes),
            (Names{"default/b[0][0]", "default/c[0][0]", "default/c[1][0]", "default/a[0][0]"}));
  // By "NAMESPACE/NAME" as a text, in which '-' comes before '/'.
  EXPECT_EQ(NamesOf({Route("a", "{}", 0, "shop"), Route("b", "{}", 0, "shop-2")}),
            (Names{"shop-2/b[0][0]", "shop/a[0][0]"}));
}

TEST(RouteOrder, TheNameOfARuleIsPartOfTheNamesOfItsRoutes) {
  EXPECT_EQ(NamesOf({Route("a", "{name: all, matches: [{method: GET}, {}]}, {}")}),
            (Names{"default/a/all[0]", "default/a/all[1]", "default/a[1][0]"}));
}

TEST(RouteOrder, OfGrpcRoutesTheLongestServiceThenTheLongestMethodThenHeadersDecide) {
  const auto route = [](const std::string& name, const std::string& match) {
    return Route(name, "{matches: [" + match + "]}", 0, "default", "GRPCRoute");
  };
  EXPECT_EQ(
      NamesOf(
          {route("all", "{}"), route("header", "{headers: [{name: a, value: b}]}"),
           route("expression", "{method: {type: RegularExpression, service: shop.*}}"),
           route("method", "{method: {method: Add}}"),
           route("service", "{method: {service: shop.Cart}}"),
           route("longer", "{method: {service: shop.v1.Cart}}"),
           route("both", "{method: {service: shop.Cart, method: Add}}"),
           route("both-header",
                 "{method: {service: shop.Cart, method: Add}, headers: [{name: a, value: b}]}")}),
      (Names{"default/longer[0][0]", "default/both-header[0][0]", "default/both[0][0]",
             "default/service[0][0]", "default/method[0][0]", "default/expression[0][0]",
             "default/header[0][0]", "default/all[0][0]"}));
}

TEST(RouteOrder, TheOrderOfTheRoutesNeverMatters) {
  const std::vector<std::string> matches = {"{}",
                                            "{path: {value: /a}}",
                                            "{path: {value: /a/b}}",
                                            "{path: {type: Exact, value: /a}}",
                                            "{method: GET}",
                                            "{headers: [{name: x, value: y}]}",
                                            "{path: {value: /a}, method: POST}"};
  std::mt19937_64 random(7);
  const auto any = [&](size_t below) { return static_cast<size_t>(random() % below); };
  for (int round = 0; round < 200; ++round) {
    std::vector<Document> routes;
    for (size_t i = 0; i < 2 + any(5); ++i) {
      std::string rules;
      for (size_t j = 0; j < 1 + any(3); ++j) {
        rules += (j == 0 ? "" : ", ") + ("{matches: [" + matches[any(matches.size())]) + ", " +
                 matches[any(matches.size())] + "]}";
      }
      routes.push_back(Route(std::string(1, static_cast<char>('a' + i)), rules,
                             static_cast<int64_t>(any(3)), any(2) == 0 ? "default" : "other"));
    }
    const Names expected = NamesOf(routes);
    EXPECT_TRUE(std::set<std::string>(expected.begin(), expected.end()).size() == expected.size());
    for (int again = 0; again < 3; ++again) {
      std::shuffle(routes.begin(), routes.end(), random);
      ASSERT_EQ(NamesOf(routes), expected) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace tulle::policy
