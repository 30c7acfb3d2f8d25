// Parses the output of iptables-save. Pure. Source: the format of iptables-save, with and without
// counters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::init {

// The lines of `text`, without their ends.
template <typename Visit>
void ForEachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

struct SavedRule {
  std::string text;      // what follows "-A CHAIN "
  int64_t packets = -1;  // -1: saved without counters
};

// In the order in which the kernel evaluates them.
std::vector<SavedRule> RulesOfChain(std::string_view saved, std::string_view chain);

// Whether a TCP connection may end at this rule, or leave the chain by it. False for rules for
// another protocol, and for those that only count or log.
bool MayTakeTcp(std::string_view rule);

}  // namespace tulle::init
