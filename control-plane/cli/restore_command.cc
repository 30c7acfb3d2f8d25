// A store from a backup. At each moment, whatever ends this program, there is a whole store in the
// folder or none that tulle-control starts with: the new one waits as tulle.db.restoring, beside
// which no store is opened, until the former one is out of its way.
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
#include "control-plane/cli/trouble.h"
#include "control-plane/discovery/policy_book.h"
#include "control-plane/store/sqlite_store.h"
#include "control-plane/store/store_lock.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kStoreFile[] = "tulle.db";
// What SQLite keeps beside a store, and would take for the part of another one.
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
    return Trouble(path + " is no backup, or a damaged one",
                   "name a file that `tullectl backup` made");
  }
  backup.trust_domain = TextAt(json, "/trustDomain");
  backup.created_at = NumberAt(json, "/createdAt");
  return backup;
}

// Tried where nothing is lost: under another name, opened as tulle-control does. The policies that
// it could not read.
absl::StatusOr<std::vector<discovery::UnreadablePolicy>> TryStore(const std::string& path) {
  const auto store = store::SqliteStore::Open(path);
  if (!store.ok()) return store.status();
  const absl::Status whole = (*store)->CheckIntegrity();
  if (!whole.ok()) return whole;
  const auto roots = (*store)->List(store::Collection::kAuthority);
  if (!roots.ok()) return roots.status();
  if (roots->empty()) return absl::DataLossError("it holds no root");
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
  return Trouble(absl::StrCat(from, " cannot be renamed: ", strerror(errno)),
                 "check owner and mode of its folder");
}

// A rename counts once its folder is on the disk.
absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool is_synced = folder >= 0 && fsync(folder) == 0;
  const int error = errno;
  if (folder >= 0) close(folder);
  if (is_synced) return absl::OkStatus();
  return Trouble(absl::StrCat(path, " cannot be written: ", strerror(error)), "check its disk");
}

// The roots' keys lie in it: one that is made is for its owner alone.
absl::Status MakeFolder(const std::string& path) {
  std::error_code ignored;
  const fs::path parent = fs::absolute(path, ignored).parent_path();
  fs::create_directories(parent, ignored);
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return Trouble(absl::StrCat(path, " cannot be made: ", strerror(errno)),
                 "name another --data-dir, or be tulle-control's user");
}

// Null: no store is there.
absl::StatusOr<std::unique_ptr<store::StoreLock>> LockStopped(const std::string& path) {
  auto lock = store::StoreLock::Take(path);
  if (lock.ok()) return std::make_unique<store::StoreLock>(*std::move(lock));
  if (absl::IsNotFound(lock.status())) return nullptr;
  const std::string error(lock.status().message());
  if (absl::IsUnavailable(lock.status())) {
    return Trouble(error, "stop tulle-control first (systemctl stop tulle-control)");
  }
  return Trouble(error, "be tulle-control's user");
}

// The store that was there, with what its log holds, under another name. Its log is moved also
// where the store itself is gone: SQLite would replay it over any file of that name.
absl::Status PutAside(Session& session, const std::string& path) {
  const std::string aside = absl::StrCat(path, ".before-restore-", session.environment.now());
  bool is_any = false;
  for (const char* suffix : {"", kCompanions[0], kCompanions[1], kCompanions[2]}) {
    if (!fs::exists(path + suffix)) continue;
    const absl::Status renamed = Rename(path + suffix, aside + suffix);
    if (!renamed.ok()) return renamed;
    is_any = true;
  }
  if (is_any) session.out() << "the former store is kept as " << aside << "\n";
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
  session.err() << "These policies of the backup cannot be read by this version:\n";
  bool has_security = false;
  for (const discovery::UnreadablePolicy& policy : policies) {
    session.err() << "  " << policy.key << ": " << policy.problem << "\n";
    has_security = has_security || policy.is_security;
  }
  if (has_security) {
    session.err()
        << "Among them are some that restrict: without them tulle-control will not start. "
           "Use the version that wrote them, or see --ignore-unreadable-policies.\n";
  }
}

// How the admin gets in, where the folder does not hold its credential.
void SayNextStep(Session& session) {
  const std::string& folder = session.invocation.data_directory;
  session.err() << "Start tulle-control with --data-dir " << folder
                << ". Credentials are those of the backup; sidecars come back by themselves.\n";
  if (fs::exists(fs::path(folder) / "admin-credential")) return;
  session.err()
      << "There is no admin-credential in that folder: without a copy of the admin's, add "
         "--reset-admin to the first start.\n";
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
    return Trouble(path + " is there already",
                   "name an empty folder, or say --force: the store that is there is kept beside "
                   "the new one");
  }
  const std::string checked = path + ".checking";
  RemoveStore(checked);
  const absl::Status written = WritePrivateFile(checked, backup->image);
  if (!written.ok()) return written;
  const auto unreadable = TryStore(checked);
  if (!unreadable.ok()) {
    RemoveStore(checked);
    return Trouble(absl::StrCat(wanted.name, " cannot be restored: ",
                                std::string(unreadable.status().message())),
                   "take an earlier backup, or a tulle-control of the version that made it");
  }
  session.out() << "the backup is whole: " << backup->trust_domain << ", taken "
                << FormatAge(session.environment.now() - backup->created_at) << " ago\n";
  const absl::Status installed = Install(session, checked, path);
  RemoveStore(checked);
  if (!installed.ok()) return installed;
  session.out() << path << " is restored\n";
  SayUnreadable(session, *unreadable);
  SayNextStep(session);
  return 0;
}

}  // namespace tulle::cli
