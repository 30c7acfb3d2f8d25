// Restores a store from a backup. Whenever this program is interrupted, the folder has a complete
// store or none that tulle-control starts with: the new one is tulle.db.restoring, beside which no
// store is opened, until the previous one has been moved away.
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/store/sqlite_store.h"
#include "control-plane/store/store_lock.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kStoreFile[] = "tulle.db";
// Files that SQLite keeps beside a store, and would read as part of another one.
constexpr const char* kCompanions[] = {"-wal", "-shm", "-journal"};

struct BackupFile {
  std::string image;
  std::string trust_domain;
  int64_t created_at = 0;
};

std::string Sha256Of(const std::string& bytes) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

absl::StatusOr<BackupFile> ReadBackup(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  BackupFile backup;
  const bool is_ours = json.is_object() && TextAt(json, "/kind") == "TulleBackup";
  const bool is_whole = is_ours && absl::Base64Unescape(TextAt(json, "/store"), &backup.image) &&
                        Sha256Of(backup.image) == TextAt(json, "/sha256");
  if (!is_whole) {
    return UserError(path + " is not a backup, or it is damaged",
                     "use a file of `tullectl backup`");
  }
  backup.trust_domain = TextAt(json, "/trustDomain");
  backup.created_at = NumberAt(json, "/createdAt");
  return backup;
}

// Opens the store under another name, as tulle-control does. Returns the policies that it cannot
// parse.
absl::StatusOr<std::vector<discovery::UnreadablePolicy>> TryStore(const std::string& path) {
  const auto store = store::SqliteStore::Open(path);
  if (!store.ok()) return store.status();
  const absl::Status whole = (*store)->CheckIntegrity();
  if (!whole.ok()) return whole;
  const auto roots = (*store)->List(store::Collection::kAuthority);
  if (!roots.ok()) return roots.status();
  if (roots->empty()) return absl::DataLossError("it contains no root certificate");
  const auto policies = discovery::PolicyBook::Open(store->get());
  if (!policies.ok()) return policies.status();
  return (*policies)->unreadable();
}

void RemoveStore(const std::string& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
  for (const char* suffix : kCompanions) fs::remove(path + suffix, ignored);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return UserError(absl::StrCat("cannot rename ", from, ": ", strerror(errno)),
                   "check owner and mode of its folder");
}

// A rename is durable once its folder has been synced.
absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_synced = folder >= 0 && fsync(folder) == 0;
  const int error = errno;
  if (folder >= 0) close(folder);
  if (is_synced) return absl::OkStatus();
  return UserError(absl::StrCat("cannot write ", path, ": ", strerror(error)), "check its disk");
}

// The folder will contain private keys, so only its owner gets access.
absl::Status MakeFolder(const std::string& path) {
  std::error_code ignored;
  const fs::path parent = fs::absolute(path, ignored).parent_path();
  fs::create_directories(parent, ignored);
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return UserError(absl::StrCat("cannot create ", path, ": ", strerror(errno)),
                   "use another --data-dir, or run as the user of tulle-control");
}

// Null: there is no store.
absl::StatusOr<std::unique_ptr<store::StoreLock>> LockStopped(const std::string& path) {
  auto lock = store::StoreLock::Take(path);
  if (lock.ok()) return std::make_unique<store::StoreLock>(*std::move(lock));
  if (absl::IsNotFound(lock.status())) return nullptr;
  const std::string error(lock.status().message());
  if (absl::IsUnavailable(lock.status())) {
    return UserError(error, "stop tulle-control first (systemctl stop tulle-control)");
  }
  return UserError(error, "run as the user of tulle-control");
}

// Moves the existing store and its log to another name. The log is moved even if the store itself
// is missing: SQLite would replay it into any file of that name.
absl::Status PutAside(Session& session, const std::string& path) {
  const std::string aside = absl::StrCat(path, ".before-restore-", session.environment.now());
  bool is_any = false;
  for (const char* suffix : {"", kCompanions[0], kCompanions[1], kCompanions[2]}) {
    if (!fs::exists(path + suffix)) continue;
    const absl::Status renamed = Rename(path + suffix, aside + suffix);
    if (!renamed.ok()) return renamed;
    is_any = true;
  }
  if (is_any) session.out() << "The previous store is kept as " << aside << "\n";
  return absl::OkStatus();
}

absl::Status Install(Session& session, const std::string& checked, const std::string& path) {
  const std::string folder = session.invocation.data_directory;
  const std::string waiting = store::SqliteStore::WaitingPath(path);
  absl::Status status = Rename(checked, waiting);
  if (status.ok()) status = SyncFolder(folder);
  if (status.ok()) status = PutAside(session, path);
  if (!status.ok() && fs::exists(path)) RemoveStore(waiting);  // nothing has changed
  if (status.ok()) status = Rename(waiting, path);
  if (status.ok()) status = SyncFolder(folder);
  return status;
}

void SayUnreadable(Session& session, const std::vector<discovery::UnreadablePolicy>& policies) {
  if (policies.empty()) return;
  session.err() << "This version cannot parse the following policies of the backup:\n";
  bool has_security = false;
  for (const discovery::UnreadablePolicy& policy : policies) {
    session.err() << "  " << policy.key << ": " << policy.problem << "\n";
    has_security = has_security || policy.is_security;
  }
  if (has_security) {
    session.err()
        << "Some of them restrict access, so tulle-control will not start without them. Use the "
           "version that wrote them, or see --ignore-unreadable-policies.\n";
  }
}

// How the admin gets access if the folder does not contain the credential.
void SayNextStep(Session& session) {
  const std::string& folder = session.invocation.data_directory;
  session.err() << "Start tulle-control with --data-dir " << folder
                << ". Credentials are those of the backup. Sidecars reconnect automatically.\n";
  if (fs::exists(fs::path(folder) / "admin-credential")) return;
  session.err()
      << "The folder contains no admin-credential. If you have no copy of it, add --reset-admin to "
         "the first start.\n";
}

}  // namespace

absl::StatusOr<int> Restore(Session& session) {
  const Invocation& wanted = session.invocation;
  const auto backup = ReadBackup(wanted.name);
  if (!backup.ok()) return backup.status();
  const absl::Status made = MakeFolder(wanted.data_directory);
  if (!made.ok()) return made;
  const std::string path = (fs::path(wanted.data_directory) / kStoreFile).string();
  const auto lock = LockStopped(path);
  if (!lock.ok()) return lock.status();
  if (*lock != nullptr && !wanted.force) {
    return UserError(
        path + " already exists",
        "use an empty folder, or --force: the existing store is kept beside the new one");
  }
  const std::string checked = path + ".checking";
  RemoveStore(checked);
  const absl::Status written = WritePrivateFile(checked, backup->image);
  if (!written.ok()) return written;
  const auto unreadable = TryStore(checked);
  if (!unreadable.ok()) {
    RemoveStore(checked);
    return UserError(absl::StrCat("cannot restore ", wanted.name, ": ",
                                  std::string(unreadable.status().message())),
                     "use an earlier backup, or the version of tulle-control that created it");
  }
  session.out() << "Backup verified: " << backup->trust_domain << ", created "
                << FormatAge(session.environment.now() - backup->created_at) << " ago\n";
  const absl::Status installed = Install(session, checked, path);
  RemoveStore(checked);
  if (!installed.ok()) return installed;
  session.out() << path << " restored\n";
  SayUnreadable(session, *unreadable);
  SayNextStep(session);
  return 0;
}

}  // namespace tulle::cli
