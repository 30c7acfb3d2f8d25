#include "control-plane/registry/reported_problems.h"

#include <algorithm>
#include <utility>

namespace tulle::registry {

bool ReportedProblems::Put(const std::string& instance, Known known) {
  if (known.texts.size() > kMostTexts) known.texts.resize(kMostTexts);
  for (std::string& text : known.texts) text.resize(std::min(text.size(), kLongestText));
  const auto found = known_.find(instance);
  if (found == known_.end() && known_.size() >= kMostInstances) return false;
  Known& entry = found == known_.end() ? known_[instance] : found->second;
  const bool is_news = entry.texts != known.texts;
  entry = std::move(known);
  return is_news;
}

bool ReportedProblems::Report(const std::string& instance, Texts texts) {
  if (texts.empty()) return known_.erase(instance) != 0;
  return Put(instance, {std::move(texts)});
}

bool ReportedProblems::Refuse(const std::string& instance, std::string why,
                              std::chrono::milliseconds now) {
  if (known_.size() >= kMostInstances) {
    std::erase_if(known_, [now](const auto& entry) {
      return entry.second.until.count() != 0 && entry.second.until <= now;
    });
  }
  return Put(instance, {{std::move(why)}, now + kRefusedFor});
}

ReportedProblems::Texts ReportedProblems::Of(const std::string& instance,
                                             std::chrono::milliseconds now) const {
  const auto found = known_.find(instance);
  if (found == known_.end()) return {};
  const bool is_over = found->second.until.count() != 0 && found->second.until <= now;
  return is_over ? Texts() : found->second.texts;
}

}  // namespace tulle::registry
