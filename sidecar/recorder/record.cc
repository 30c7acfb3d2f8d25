#include "sidecar/recorder/record.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sidecar/recorder/shared_words.h"

namespace tulle::recorder {
namespace {

std::array<uint8_t, kTexts> SizesOf(const Record::Words& words) {
  std::array<uint8_t, kTexts> sizes;
  std::memcpy(sizes.data(), &words[kSizesAt], sizes.size());
  return sizes;
}

std::string Address(const std::array<uint8_t, 16>& ip, uint8_t size, uint16_t port) {
  if (size != 4 && size != 16) return "";
  char host[INET6_ADDRSTRLEN];
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ip.data(), host, sizeof(host));
  return size == 4 ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

}  // namespace

bool Record::IsSound(const Words& words) {
  if (words[0] == 0 || words[0] % 2 != 0) return false;
  size_t used = kTextsAt;
  for (const uint8_t size : SizesOf(words)) used += WordsOf(size);
  return used <= kRecordWords;
}

Record::Record(const Words& words) : words_(words) {
  std::array<uint64_t, kNumberWords> numbers;
  std::copy_n(words.begin() + 1, kNumberWords, numbers.begin());
  numbers_ = std::bit_cast<Numbers>(numbers);
}

std::string_view Record::operator[](Text text) const {
  const auto sizes = SizesOf(words_);
  const auto wanted = static_cast<size_t>(text);
  size_t at = kTextsAt;
  for (size_t i = 0; i < wanted; ++i) at += WordsOf(sizes[i]);
  return {reinterpret_cast<const char*>(words_.data()) + at * sizeof(uint64_t), sizes[wanted]};
}

std::string Record::source_address() const {
  return Address(numbers_.source_ip, numbers_.source_ip_size, numbers_.source_port);
}

std::string Record::endpoint() const {
  return Address(numbers_.endpoint_ip, numbers_.endpoint_ip_size, numbers_.endpoint_port);
}

}  // namespace tulle::recorder
