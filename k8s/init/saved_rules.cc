#include "k8s/init/saved_rules.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace tulle::init {
namespace {

// Quoted words are one word: comments contain blanks, and text that looks like a rule.
std::vector<std::string> WordsOf(std::string_view rule) {
  std::vector<std::string> words(1);
  bool is_quoted = false;
  for (size_t i = 0; i < rule.size(); ++i) {
    const char c = rule[i];
    if (c == '\\' && is_quoted && i + 1 < rule.size()) {
      words.back() += rule[++i];
    } else if (c == '"') {
      is_quoted = !is_quoted;
      words.back() += c;  // so that a comment is never equal to an option
    } else if (c == ' ' && !is_quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// The protocol precedes every match; none: all protocols.
bool MeetsTcp(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "-m");
  const auto option = std::find(words.begin(), end, "-p");
  if (option == end || option + 1 == words.end()) return true;
  const std::string& protocol = option[1];
  const bool is_tcp = protocol == "tcp" || protocol == "6";
  const bool is_negated = option != words.begin() && option[-1] == "!";
  return is_negated ? !is_tcp : is_tcp || protocol == "all" || protocol == "0";
}

}  // namespace

std::vector<SavedRule> RulesOfChain(std::string_view saved, std::string_view chain) {
  const std::string begin = "-A " + std::string(chain) + " ";
  std::vector<SavedRule> rules;
  ForEachLine(saved, [&](std::string_view line) {
    SavedRule rule;
    if (line.starts_with('[')) {  // [PACKETS:BYTES]
      const std::string_view packets = line.substr(1, line.find(':') - 1);
      if (!absl::SimpleAtoi(absl::string_view(packets.data(), packets.size()), &rule.packets)) {
        return;
      }
      line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
    }
    if (!line.starts_with(begin)) return;
    rule.text = line.substr(begin.size());
    rules.push_back(std::move(rule));
  });
  return rules;
}

bool MayTakeTcp(std::string_view rule) {
  const std::vector<std::string> words = WordsOf(rule);
  if (!MeetsTcp(words)) return false;
  const auto target = std::find_if(words.begin(), words.end(), [](const std::string& word) {
    return word == "-j" || word == "-g";
  });
  if (target == words.end() || target + 1 == words.end()) return false;
  return target[1] != "LOG" && target[1] != "NFLOG";
}

}  // namespace tulle::init
