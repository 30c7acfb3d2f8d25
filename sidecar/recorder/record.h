// What the flight recorder keeps of a request: 512 bytes, in words of eight that the machine writes
// at once.
//
//   word 0        the sequence: twice the record's number, plus 1 while it is written, plus 2 then
//   words 1..14   Numbers
//   words 15..16  the size of each text, a byte each, in the order of Text
//   words 17..63  the texts, each from the begin of a word
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::recorder {

inline constexpr size_t kRecordWords = 64;
inline constexpr size_t kRecordBytes = kRecordWords * sizeof(uint64_t);

enum class Text : uint8_t {
  kRequestId,
  kTraceId,
  kFlag,
  kCause,
  kMethod,
  kPolicy,
  kService,
  kRoute,
  kSource,
  kDestination,
  kCluster,
  kAuthority,
  kPath,
  kDetail,
  kCount,
};
inline constexpr size_t kTexts = static_cast<size_t>(Text::kCount);

// Bits of Numbers::marks.
enum Mark : uint16_t {
  kOutbound = 1 << 0,
  kMutualTls = 1 << 1,
  kFailed = 1 << 2,
  kRetriesExhausted = 1 << 3,
  kRetryBudgetExhausted = 1 << 4,
  kDelayInjected = 1 << 5,
};

struct Numbers {
  int64_t wall_started = 0;  // nanoseconds, Unix time
  // Nanoseconds from the start; 0: not reached.
  uint64_t request_ended = 0;
  uint64_t upstream_asked = 0;
  uint64_t upstream_answered = 0;
  uint64_t ended = 0;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  int64_t configured = 0;  // nanoseconds, Unix time: since when the configuration was in force
  std::array<uint8_t, 16> source_ip{};
  std::array<uint8_t, 16> endpoint_ip{};
  uint16_t source_port = 0;
  uint16_t endpoint_port = 0;
  uint8_t source_ip_size = 0;  // 0: unknown; 4; 16
  uint8_t endpoint_ip_size = 0;
  uint16_t status = 0;
  uint32_t attempts = 0;
  uint16_t marks = 0;
  int8_t grpc_status = -1;
  uint8_t spare = 0;
};

inline constexpr size_t kNumberWords = 14;
static_assert(sizeof(Numbers) == kNumberWords * sizeof(uint64_t));

// The words of Numbers, in their order.
enum NumberWord : size_t {
  kWallStarted,
  kRequestEnded,
  kUpstreamAsked,
  kUpstreamAnswered,
  kEnded,
  kRequestBytes,
  kResponseBytes,
  kConfigured,
  kSourceIp,  // two
  kEndpointIp = kSourceIp + 2,
  kPortsAndStatus = kEndpointIp + 2,
  kCounts,
};
static_assert(offsetof(Numbers, configured) == kConfigured * sizeof(uint64_t));
static_assert(offsetof(Numbers, endpoint_ip) == kEndpointIp * sizeof(uint64_t));
static_assert(offsetof(Numbers, source_port) == kPortsAndStatus * sizeof(uint64_t));
static_assert(offsetof(Numbers, attempts) == kCounts * sizeof(uint64_t));
inline constexpr size_t kSizesAt = 1 + kNumberWords;
inline constexpr size_t kTextsAt = kSizesAt + 2;
static_assert(kTexts <= 16);

// Words that each text has in any case. What a text leaves goes to those after it.
inline constexpr std::array<uint8_t, kTexts> kShares = {5, 4, 1, 4, 1, 3, 4, 2, 5, 5, 4, 3, 4, 2};
// What a peer chooses must not take all that is left: the most words of a text.
inline constexpr std::array<uint8_t, kTexts> kMostWords = {5,  4,  2,  6,  3,  31, 31,
                                                           31, 31, 31, 31, 31, 31, 31};

constexpr size_t SharesFrom(size_t first) {
  size_t sum = 0;
  for (size_t i = first; i < kTexts; ++i) sum += kShares[i];
  return sum;
}
static_assert(SharesFrom(0) == kRecordWords - kTextsAt);

// A whole record, copied from a ring.
class Record {
 public:
  using Words = std::array<uint64_t, kRecordWords>;
  // REQUIRES: IsSound(words).
  explicit Record(const Words& words);
  // False: its sizes do not fit, as in a file of another origin.
  static bool IsSound(const Words& words);

  uint64_t number() const { return words_[0] / 2 - 1; }
  const Numbers& numbers() const { return numbers_; }
  bool Has(Mark mark) const { return (numbers_.marks & mark) != 0; }
  // Valid as long as the record.
  std::string_view operator[](Text text) const;
  // "1.2.3.4:80"; empty: unknown.
  std::string source_address() const;
  std::string endpoint() const;

 private:
  Words words_;
  Numbers numbers_;
};

}  // namespace tulle::recorder
