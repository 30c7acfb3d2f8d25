#include "control-plane/ca/step_agreement.h"

#include <openssl/sha.h>

#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tulle::ca {
namespace {

constexpr char kWaits[] = "waits";
constexpr char kWaitsForPodsAlone[] = "pods";
constexpr size_t kHexDigits = 16;  // of a word

}  // namespace

void PodSum::Add(std::string_view uid) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const uint8_t*>(uid.data()), uid.size(), hash.data());
  ++words_[0];
  for (size_t i = 1; i < words_.size(); ++i) {
    uint64_t quarter = 0;
    for (size_t byte = 0; byte < sizeof(quarter); ++byte)
      quarter = quarter << 8 | hash[(i - 1) * sizeof(quarter) + byte];
    words_[i] += quarter;
  }
}

void PodSum::Add(const PodSum& pods) {
  for (size_t i = 0; i < words_.size(); ++i) words_[i] += pods.words_[i];
}

std::optional<PodSum> PodSum::Parse(std::string_view text) {
  PodSum sum;
  if (text.size() != sum.words_.size() * kHexDigits) return std::nullopt;
  for (uint64_t& word : sum.words_) {
    if (!absl::SimpleHexAtoi(absl::string_view(text.data(), kHexDigits), &word))
      return std::nullopt;
    text.remove_prefix(kHexDigits);
  }
  return sum;
}

std::string PodSum::ToText() const {
  std::string text;
  for (const uint64_t word : words_) absl::StrAppend(&text, absl::Hex(word, absl::kZeroPad16));
  return text;
}

std::string Statement::ToText() const {
  return absl::StrCat(step, " ", ready.ToText(), " ", waits ? kWaits : kWaitsForPodsAlone);
}

std::optional<Statement> Statement::Parse(std::string_view text) {
  const std::vector<std::string> words =
      absl::StrSplit(absl::string_view(text.data(), text.size()), ' ');
  if (words.size() < 3) return std::nullopt;
  const auto ready = PodSum::Parse(words[1]);
  if (!ready || (words[2] != kWaits && words[2] != kWaitsForPodsAlone)) return std::nullopt;
  return Statement{words[0], *ready, words[2] == kWaits};
}

void StepAgreement::Hear(const std::map<std::string, std::string>& statements, Time now) {
  std::erase_if(heard_, [&](const auto& heard) { return !statements.contains(heard.first); });
  for (const auto& [replica, text] : statements) {
    Heard& heard = heard_[replica];
    if (heard.text == text) continue;
    heard = {text, now};
  }
}

Statement StepAgreement::Sum(const std::string& step, Time now, Silent silent) const {
  Statement sum{step, {}, false};
  for (const auto& [replica, heard] : heard_) {
    const auto statement = Statement::Parse(heard.text);
    if (!statement || statement->step != step) continue;
    const bool is_silent = now - heard.changed >= kLasts;
    if (!is_silent) sum.ready.Add(statement->ready);
    if (!is_silent || silent == Silent::kWait) sum.waits |= statement->waits;
  }
  return sum;
}

StepAgreement::Waiting StepAgreement::WhoWaits(const std::string& step, Time now) const {
  Waiting waiting;
  for (const auto& [replica, heard] : heard_) {
    const auto statement = Statement::Parse(heard.text);
    if (!statement || statement->step != step || !statement->waits) continue;
    auto& list = now - heard.changed >= kLasts ? waiting.silent : waiting.heard;
    list.push_back(replica.substr(replica.find('/') + 1));
  }
  return waiting;
}

}  // namespace tulle::ca
