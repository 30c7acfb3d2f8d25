// What the control plane must not forget, as records in collections, changed by transactions.
//
// Synchronous and confined to one thread: in tulle-control that of the store, in simulation the
// loop's. Values are JSON that their owners write (policy, registry, ca, api). Times are seconds
// since the epoch, passed in. Errors: absl::Status whose message names the next step; a failed
// Commit has changed nothing.
//   kAborted            the collection has changed since `expected_revision`: read again
//   kResourceExhausted  the disk is full: the old state stays
//   kDataLoss           the file is damaged or of a newer version
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::store {

// The numbers are stored: never reuse one.
enum class Collection : int {
  kPolicy = 1,      // KIND/NAMESPACE/NAME -> canonical JSON; keeps its history
  kWorkload = 2,    // instance id -> registration
  kAuthority = 3,   // roots and their keys
  kJoinToken = 4,   // hash -> what it is bound to
  kCredential = 5,  // hash -> name and role
  kMeta = 6,
  kIdentity = 7,      // SPIFFE ID -> the services that its workloads may register
  kVip = 8,           // host -> its virtual address
  kHolder = 9,        // who holds a certificate, and until when
  kCertificate = 10,  // serial number -> identity, expiry, whether it is revoked
};

inline constexpr size_t kKeptVersions = 100;  // of each policy

struct Record {
  std::string key;
  std::string value;
  int64_t revision = 0;    // of the commit that wrote it
  int64_t created_at = 0;  // since when there is a record of this key
};

struct PastRecord {
  std::string key;
  std::optional<std::string> value;  // absent: deleted
  int64_t revision = 0;
  int64_t at = 0;
  std::string author;
};

// A list of changes that happen together or not at all.
class Transaction {
 public:
  struct Change {
    Collection collection;
    std::string key;
    std::optional<std::string> value;  // absent: delete
  };

  Transaction(std::string author, int64_t now) : author_(std::move(author)), now_(now) {}

  void Put(Collection collection, std::string key, std::string value) {
    changes_.push_back({collection, std::move(key), std::move(value)});
  }
  void Delete(Collection collection, std::string key) {
    changes_.push_back({collection, std::move(key), std::nullopt});
  }
  // Commit fails with kAborted unless the collection's newest revision is still this one.
  void Expect(Collection collection, int64_t revision) { expected_ = {collection, revision}; }

  struct Expectation {
    Collection collection;
    int64_t revision;
  };

  const std::vector<Change>& changes() const { return changes_; }
  const std::optional<Expectation>& expected() const { return expected_; }
  const std::string& author() const { return author_; }
  int64_t now() const { return now_; }

 private:
  std::string author_;
  int64_t now_;
  std::vector<Change> changes_;
  std::optional<Expectation> expected_;
};

class Store {
 public:
  virtual ~Store() = default;

  // The new revision: one more than the last, for the whole store. On disk when it returns.
  virtual absl::StatusOr<int64_t> Commit(const Transaction& transaction) = 0;

  virtual absl::StatusOr<std::optional<Record>> Get(Collection collection,
                                                    std::string_view key) = 0;
  virtual absl::StatusOr<std::vector<Record>> List(Collection collection) = 0;  // ordered by key
  // Newest first; policies only, each policy keeps its last 100 versions.
  virtual absl::StatusOr<std::vector<PastRecord>> History(Collection collection,
                                                          std::string_view key) = 0;
  // All of them, newest first.
  virtual absl::StatusOr<std::vector<PastRecord>> AllHistory(Collection collection) = 0;
  // Everything at one moment, as a file that SqliteStore opens; it holds the roots' keys.
  virtual absl::StatusOr<std::string> Image() = 0;
  // Why nothing can be written: the last Commit failed, or there is hardly any room. OK: nothing is
  // known against it.
  virtual absl::Status WriteFailure() const { return absl::OkStatus(); }
  // Of the newest commit that touched the collection; 0: none.
  virtual absl::StatusOr<int64_t> RevisionOf(Collection collection) = 0;
};

}  // namespace tulle::store
