// What the parser takes, it reads back from either written form as it was: a control plane that
// starts again knows every policy that it knew.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/parse.h"
#include "tests/policies/policy_generator.h"

namespace tulle::policies {
namespace {

using policy::Document;
using policy::ParsedFile;
using policy::ParseDocuments;

// Whether the parser took it.
bool ReadsBack(const Json& json) {
  const ParsedFile parsed = ParseDocuments(json.dump(), "generated");
  if (!parsed.ok()) return false;
  for (const Document& document : parsed.documents) {
    for (const std::string& written : {policy::ToJson(document), policy::ToYaml(document)}) {
      const ParsedFile again = ParseDocuments(written, "again");
      EXPECT_TRUE(again.ok()) << json.dump() << "\n" << written << ToText(again.problems);
      if (!again.ok()) continue;
      EXPECT_TRUE(again.documents[0].SameAs(document)) << json.dump() << "\n" << written;
      EXPECT_EQ(policy::ToJson(again.documents[0]), policy::ToJson(document));
    }
  }
  return true;
}

TEST(RoundTrip, WholeDocumentsAreGood) {
  for (const Json& document : WholeDocuments()) EXPECT_TRUE(ReadsBack(document)) << document;
}

TEST(RoundTrip, EveryOddValueInEveryField) {
  for (const Json& whole : WholeDocuments()) {
    for (const Json& document : OddVersionsOf(whole)) ReadsBack(document);
  }
}

TEST(RoundTrip, GeneratedPolicies) {
  int taken = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) taken += ReadsBack(PolicyGenerator(seed).Next());
  EXPECT_GT(taken, 2000) << "the generator makes little that the parser takes";
}

// With a field that nobody knows in every mapping of it.
Json WithStrangers(const Json& value) {
  Json marked = value;
  for (auto& child : marked) {
    if (child.is_structured()) child = WithStrangers(child);
  }
  if (marked.is_object()) marked["stranger"] = 1;
  return marked;
}

// "spec.rules[0].matches[1].stranger" is of "spec.rules.matches".
std::string PlaceOf(const std::string& field) {
  std::string place;
  bool is_index = false;
  for (const char c : field.substr(0, field.rfind('.'))) {
    is_index = c == '[' || (is_index && c != ']');
    if (!is_index && c != ']') place += c;
  }
  return place;
}

void CollectKeys(const Json& value, const std::string& place, std::set<std::string>* keys) {
  for (const auto& [key, child] : value.items()) {
    const std::string at = value.is_object() ? place + "." + key : place;
    keys->insert(at.substr(at.find_first_not_of('.')));
    if (child.is_structured()) CollectKeys(child, at, keys);
  }
}

// The parser names the fields it knows when it meets one that it does not.
std::set<std::string> KnownFields(const Json& document) {
  std::set<std::string> known;
  const ParsedFile parsed = ParseDocuments(WithStrangers(document).dump(), "strangers");
  for (const policy::Problem& problem : parsed.problems) {
    constexpr std::string_view kKnown = "known fields: ";
    const size_t begin = problem.hint.find(kKnown);
    if (!problem.field.starts_with("spec.") || begin == std::string::npos) continue;
    std::stringstream list(problem.hint.substr(begin + kKnown.size()));
    for (std::string name; std::getline(list, name, ',');) {
      known.insert(PlaceOf(problem.field) + "." + name.substr(name.find_first_not_of(' ')));
    }
  }
  return known;
}

TEST(RoundTrip, WholeDocumentsHoldEveryFieldThatTheParserKnows) {
  // Known in order to be rejected.
  std::set<std::string> held = {"spec.rules.sessionPersistence", "spec.parentRefs.sectionName"};
  std::set<std::string> known;
  for (const Json& document : WholeDocuments()) {
    CollectKeys(document, "", &held);
    known.merge(KnownFields(document));
  }
  EXPECT_GT(known.size(), 100);
  for (const std::string& field : known) EXPECT_TRUE(held.contains(field)) << field;
}

}  // namespace
}  // namespace tulle::policies
