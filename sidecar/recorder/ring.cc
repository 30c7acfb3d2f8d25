#include "sidecar/recorder/ring.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "sidecar/recorder/file.h"

namespace tulle::recorder {
namespace {

// The header has a page of its own, and so do the labels.
constexpr size_t kHeaderBytes = 4096;
static_assert(sizeof(RingHeader) <= kHeaderBytes);
constexpr size_t kConfigurationWords = 32;
constexpr size_t kConfigurationBytes = kConfigurationWords * sizeof(uint64_t);
constexpr size_t kRecordsAt = kHeaderBytes + Ring::kConfigurations * kConfigurationBytes;
static_assert(kRecordsAt % kHeaderBytes == 0);
constexpr uint32_t kMostPlaces = 64 * 1024;

size_t BytesFor(uint32_t records, uint32_t explanations) {
  return kRecordsAt + size_t{records} * kRecordBytes + size_t{explanations} * kExplanationBytes;
}

bool IsPlaces(uint32_t count) {
  return count != 0 && count <= kMostPlaces && (count & (count - 1)) == 0;
}

bool IsRing(const RingHeader& header) {
  return std::memcmp(header.magic, RingHeader::kMagic, sizeof(header.magic)) == 0;
}

bool IsOurs(const RingHeader& header, size_t file_bytes) {
  return header.record_bytes == kRecordBytes && header.explanation_bytes == kExplanationBytes &&
         header.configurations == Ring::kConfigurations && IsPlaces(header.records) &&
         IsPlaces(header.explanations) &&
         file_bytes == BytesFor(header.records, header.explanations);
}

// Reads a place of that many words. One that is written meanwhile has another sequence in its first
// word before or after, and becomes empty. False: the file is shorter.
bool ReadWords(const File& file, size_t offset, uint64_t* words, size_t count) {
  if (!file.Read(offset, words, count * sizeof(uint64_t))) return false;
  uint64_t sequence = 0;
  if (!file.Read(offset, &sequence, sizeof(sequence))) return false;
  if (sequence != words[0]) words[0] = 0;
  return true;
}

// What a crash left is worth keeping if it recorded anything.
void KeepFormer(const std::string& path) {
  const auto former = Ring::ReadFile(path + ".ring");
  if (former.ok() && former->next() != 0) {
    std::rename((path + ".ring").c_str(), (path + ".previous.ring").c_str());
  } else {
    unlink((path + ".ring").c_str());
  }
}

}  // namespace

Ring::Ring(uint32_t worker, uint32_t records, uint32_t explanations)
    : memory_(Mapping::OfMemory(BytesFor(records, explanations))),
      records_(records),
      explanations_(explanations) {
  RingHeader& about = header();
  std::memcpy(about.magic, RingHeader::kMagic, sizeof(about.magic));
  about.version = RingHeader::kVersion;
  about.record_bytes = kRecordBytes;
  about.records = records;
  about.worker = worker;
  about.pid = static_cast<uint32_t>(getpid());
  about.explanation_bytes = kExplanationBytes;
  about.explanations = explanations;
  about.configurations = kConfigurations;
  about.started = std::time(nullptr);
}

absl::StatusOr<Ring> Ring::ReadFile(const std::string& path) {
  // Not blocked by a pipe of that name.
  const File file(path, O_RDONLY | O_NONBLOCK);
  const absl::StatusOr<size_t> size = file.Size();
  if (!size.ok()) return size.status();
  RingHeader header;
  if (!file.Read(0, &header, sizeof(header)) || !IsRing(header))
    return absl::DataLossError(absl::StrCat(path, ": not the file of a flight recorder"));
  if (header.version != RingHeader::kVersion) {
    return absl::DataLossError(absl::StrCat(
        path, ": written by another version of tulle-sidecar, in format ", header.version,
        ", and this one reads format ", RingHeader::kVersion, "; print it with that version"));
  }
  if (!IsOurs(header, *size))
    return absl::DataLossError(absl::StrCat(path, ": the file is damaged or incomplete"));
  Ring ring(header.worker, header.records, header.explanations);
  ring.header() = header;
  if (!ring.ReadPlaces(file))
    return absl::DataLossError(absl::StrCat(path, ": the file was cut short while it was read"));
  return ring;
}

bool Ring::ReadPlaces(const File& file) {
  const auto read = [&](uint64_t* words, size_t count) {
    const auto offset = static_cast<size_t>(reinterpret_cast<char*>(words) - memory_.begin());
    return ReadWords(file, offset, words, count);
  };
  bool whole = read(header().own, RingHeader::kLabelWords);
  for (uint32_t i = 0; whole && i < kConfigurations; ++i)
    whole = read(ConfigurationPlace(i).data(), kConfigurationWords);
  for (uint32_t i = 0; whole && i < records_; ++i) whole = read(Place(i), kRecordWords);
  for (uint32_t i = 0; whole && i < explanations_; ++i)
    whole = read(ExplanationPlace(i), kExplanationWords);
  return whole;
}

absl::Status Ring::MoveToFile(const std::string& path, size_t rings) {
  KeepFormer(path);
  return memory_.MoveToFile(path + ".ring", sizeof(RingHeader), rings);
}

uint64_t* Ring::Place(uint64_t number) const {
  const size_t place = number & (records_ - 1);
  return reinterpret_cast<uint64_t*>(memory_.begin() + kRecordsAt) + place * kRecordWords;
}

uint64_t* Ring::ExplanationPlace(uint64_t number) const {
  const size_t place = number & (explanations_ - 1);
  return reinterpret_cast<uint64_t*>(memory_.begin() + kRecordsAt) + records_ * kRecordWords +
         place * kExplanationWords;
}

std::span<uint64_t> Ring::ConfigurationPlace(uint64_t number) const {
  auto* const first = reinterpret_cast<uint64_t*>(memory_.begin() + kHeaderBytes);
  return {first + number % kConfigurations * kConfigurationWords, kConfigurationWords};
}

void Ring::SetConfiguration(int64_t since, std::string_view text) {
  StoreLabel(ConfigurationPlace(header().next_configuration), since, text);
  StoreWord(&header().next_configuration, header().next_configuration + 1);
}

std::string Ring::ConfigurationSince(int64_t since) const {
  // The newest first: most records are of it.
  const uint64_t next = LoadWord(&header().next_configuration);
  for (uint64_t back = 1; back <= std::min<uint64_t>(next, kConfigurations); ++back) {
    const auto label = LoadLabel(ConfigurationPlace(next - back));
    if (label && label->time == since) return label->text;
  }
  return "";
}

std::string Ring::own() const {
  const auto label = LoadLabel(header().own);
  return label ? label->text : "";
}

std::optional<Record> Ring::ReadPlace(uint32_t place) const {
  Record::Words copy;
  if (!CopyPlace(Place(place), copy) || !Record::IsSound(copy)) return {};
  return Record(copy);
}

std::optional<Record> Ring::Read(uint64_t number) const {
  auto found = ReadPlace(static_cast<uint32_t>(number & (records_ - 1)));
  if (found && found->number() != number) found.reset();
  return found;
}

std::unique_ptr<const Explanation> Ring::ReadExplanationPlace(uint32_t place) const {
  Explanation::Words copy;
  if (!CopyPlace(ExplanationPlace(place), copy) || !Explanation::IsSound(copy)) return nullptr;
  return std::make_unique<const Explanation>(copy);
}

std::unique_ptr<const Explanation> Ring::ReadExplanation(uint64_t number) const {
  auto found = ReadExplanationPlace(static_cast<uint32_t>(number & (explanations_ - 1)));
  if (found != nullptr && found->number() != number) found.reset();
  return found;
}

}  // namespace tulle::recorder
