#include "control-plane/discovery/vip_book.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"

namespace tulle::discovery {
namespace {

using Json = nlohmann::json;
using store::Collection;

// 240.240.0.1 to 240.240.255.254.
constexpr uint32_t kMostNumbers = 65534;
constexpr int64_t kReservedSeconds = 24 * 3600;
constexpr std::string_view kPrefix = "240.240.";

std::string TextOf(uint32_t number) {
  return absl::StrCat("240.240.", number >> 8, ".", number & 255);
}

std::optional<uint32_t> NumberOf(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  uint32_t high = 0;
  uint32_t low = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, high);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, low);
  if (second.ec != std::errc() || second.ptr != end || high > 255 || low > 255) return std::nullopt;
  const uint32_t number = high * 256 + low;
  if (number < 1 || number > kMostNumbers) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VipBook>> VipBook::Open(store::Store* store) {
  std::unique_ptr<VipBook> book(new VipBook(store));
  const absl::Status status = book->Load();
  if (!status.ok()) return status;
  return book;
}

absl::Status VipBook::Load() {
  const auto records = store_->List(Collection::kVip);
  if (!records.ok()) return records.status();
  std::map<uint32_t, std::string> taken;
  for (const store::Record& record : *records) {
    const Json json = Json::parse(record.value, nullptr, false);
    const bool is_readable = json.is_object() && json.contains("address") &&
                             json["address"].is_string() && json.contains("removedAt") &&
                             json["removedAt"].is_number_integer();
    const std::optional<uint32_t> number =
        is_readable ? NumberOf(json["address"].get<std::string>()) : std::nullopt;
    if (!number) {
      damaged_.push_back(
          absl::StrCat("the stored address of ", record.key, " is invalid: a new one is assigned"));
      continue;
    }
    const auto [holder, is_free] = taken.try_emplace(*number, record.key);
    if (!is_free) {
      damaged_.push_back(absl::StrCat(record.key, " and ", holder->second, " both have ",
                                      TextOf(*number), ": ", record.key, " gets another one"));
      continue;
    }
    entries_[record.key] = Entry{*number, json["removedAt"].get<int64_t>()};
    last_given_ = std::max(last_given_, *number);
  }
  return absl::OkStatus();
}

uint32_t VipBook::FreshNumber(const Numbers& taken) {
  if (taken.size() >= kMostNumbers) return 0;
  do {
    last_given_ = last_given_ % kMostNumbers + 1;
  } while (taken.contains(last_given_));
  return last_given_;
}

std::optional<std::string> VipBook::LongestGone(const Entries& entries, int64_t now) {
  const std::pair<const std::string, Entry>* oldest = nullptr;
  for (const auto& entry : entries) {
    const int64_t removed_at = entry.second.removed_at;
    if (removed_at == 0 || now - removed_at < kReservedSeconds) continue;
    if (oldest == nullptr || removed_at < oldest->second.removed_at) oldest = &entry;
  }
  if (oldest == nullptr) return std::nullopt;
  return oldest->first;
}

bool VipBook::Give(const std::string& host, int64_t now, Draft* draft) {
  uint32_t number = FreshNumber(draft->taken);
  if (number == 0) {
    const std::optional<std::string> gone = LongestGone(draft->entries, now);
    if (!gone) return false;
    number = draft->entries.at(*gone).number;
    draft->entries.erase(*gone);
    draft->changed.insert(*gone);
  }
  draft->taken.insert(number);
  draft->entries[host] = Entry{number, 0};
  draft->changed.insert(host);
  return true;
}

absl::Status VipBook::Assign(const std::set<std::string>& hosts, int64_t now) {
  Draft draft{entries_, {}, {}};
  for (const auto& [host, entry] : entries_) draft.taken.insert(entry.number);
  for (auto& [host, entry] : draft.entries) {
    const bool exists = hosts.contains(host);
    if (exists == (entry.removed_at == 0)) continue;
    entry.removed_at = exists ? 0 : now;
    draft.changed.insert(host);
  }
  absl::Status status;
  for (const std::string& host : hosts) {
    if (draft.entries.contains(host) || Give(host, now, &draft)) continue;
    status = absl::ResourceExhaustedError(
        absl::StrCat("no free virtual address for ", host,
                     ": remove unused services; their addresses are released a day later"));
  }
  const absl::Status written = Write(draft, now);
  if (!written.ok()) return written;
  entries_ = std::move(draft.entries);
  addresses_.clear();
  for (const std::string& host : hosts) {
    const auto entry = entries_.find(host);
    if (entry != entries_.end()) addresses_[host] = TextOf(entry->second.number);
  }
  return status;
}

absl::Status VipBook::Write(const Draft& draft, int64_t now) {
  if (draft.changed.empty()) return absl::OkStatus();
  store::Transaction transaction("registry", now);
  for (const std::string& host : draft.changed) {
    const auto entry = draft.entries.find(host);
    if (entry == draft.entries.end()) {
      transaction.Delete(Collection::kVip, host);
    } else {
      transaction.Put(
          Collection::kVip, host,
          Json({{"address", TextOf(entry->second.number)}, {"removedAt", entry->second.removed_at}})
              .dump());
    }
  }
  return store_->Commit(transaction).status();
}

}  // namespace tulle::discovery
