// Requests as they end, for users who watch: a tap asks all sidecars, also those that connect
// later, and keeps what they send until it is read. A tap ends when it is closed, or when nobody
// has read it for ten seconds; earlier, if its owner opens one more than there may be. A sidecar
// ends its part after a minute, and is asked again. Owner: ControlPlane. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "control-plane/insight/respondents.h"
#include "net/loop/loop.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

class Taps final : private Asker {
 public:
  static constexpr size_t kMost = 8;            // as many as a sidecar serves
  static constexpr size_t kMostOfSession = 2;   // of one credential, or of one token
  static constexpr size_t kMostOfName = 6;      // of all tokens of a service account
  static constexpr size_t kMostRecords = 1000;  // that wait to be read
  static constexpr size_t kMostBytes = 2 * 1024 * 1024;
  // Of one sidecar among them: it cannot take the place of others.
  static constexpr size_t kMostBytesOfOne = kMostBytes / 4;
  static constexpr size_t kMostErrors = 5;
  static constexpr loop::Duration kAbandonedAfter = std::chrono::seconds(10);
  // A tap that was not read for so long makes room for another one of its owner's name.
  static constexpr loop::Duration kUnreadAfter = std::chrono::seconds(2);
  static constexpr loop::Duration kLongestWait = std::chrono::seconds(1);
  // A sidecar that ends its part earlier is not asked again.
  static constexpr loop::Duration kLeastPart = std::chrono::seconds(30);

  struct News {
    std::vector<v1::RequestRecord> requests;  // in order of arrival
    uint64_t left_out = 0;                    // that matched, and were too many
    size_t asked = 0;                         // sidecars
    std::vector<std::string> errors;          // of sidecars that refuse
  };
  using Done = absl::AnyInvocable<void(News)>;
  // Who opened it, and alone may read and close it.
  struct Owner {
    std::string name;     // of a credential or a service account
    std::string session;  // of the account's token; empty: a credential
    bool operator==(const Owner&) const = default;
  };

  // Both outlive this.
  Taps(loop::Loop& loop, Respondents& respondents);
  ~Taps() override;

  // An id. kResourceExhausted: there are too many taps.
  absl::StatusOr<std::string> Open(const v1::RequestFilter& filter, v1::HeaderView headers,
                                   const Owner& owner);
  // `done` runs once: as soon as there is news, or after a second. Who has waited until then for
  // the same tap is answered. False: the owner has no such tap.
  bool Read(const std::string& id, const Owner& owner, Done done);
  bool Close(const std::string& id, const Owner& owner);
  size_t open() const { return taps_.size(); }

 private:
  class Tap;

  void OnConnected(Respondent& respondent) override;
  void OnGone(Respondent& respondent) override;
  bool OnAnswer(Respondent& respondent, v1::Answer& answer) override;
  Tap* Find(const std::string& id, const Owner& owner);
  bool HasRoomFor(const Owner& owner) const;
  // Ends the one of that name that was not read for longest. False: all are being read.
  bool EndUnread(const std::string& name);
  void End(const std::string& id);

  loop::Loop& loop_;
  Respondents& respondents_;
  uint64_t opened_ = 0;
  std::map<std::string, std::unique_ptr<Tap>> taps_;
};

}  // namespace tulle::insight
