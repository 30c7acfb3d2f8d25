#include <openssl/sha.h>

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/trouble.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kStoreFile[] = "tulle.db";

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

// Tried where nothing is lost: under another name, opened as tulle-control does.
absl::Status TryStore(const std::string& path) {
  const auto store = store::SqliteStore::Open(path);
  if (!store.ok()) return store.status();
  const absl::Status whole = (*store)->CheckIntegrity();
  if (!whole.ok()) return whole;
  const auto roots = (*store)->List(store::Collection::kAuthority);
  if (!roots.ok()) return roots.status();
  return roots->empty() ? absl::DataLossError("it holds no root") : absl::OkStatus();
}

void RemoveStore(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix, ignored);
}

// Whoever runs holds the lock; a store that opens is nobody's.
absl::Status CheckStopped(const std::string& path) {
  if (const auto store = store::SqliteStore::Open(path); store.ok()) return absl::OkStatus();
  return Trouble(path + " is in use, or cannot be opened",
                 "stop tulle-control first (systemctl stop tulle-control), and be its user");
}

// The store that was there, with what its log holds, under another name.
absl::Status PutAside(Session& session, const std::string& path) {
  const std::string aside = absl::StrCat(path, ".before-restore-", session.environment.now());
  std::error_code error;
  fs::rename(path, aside, error);
  if (error) return Trouble(path + " cannot be renamed: " + error.message(), "check its folder");
  for (const char* suffix : {"-wal", "-shm"}) {
    if (fs::exists(path + suffix)) fs::rename(path + suffix, aside + suffix, error);
  }
  session.out() << "the former store is kept as " << aside << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Backup(Session& session) {
  const std::string& path = session.invocation.name;
  if (fs::exists(path) && !session.invocation.force) {
    return Trouble(path + " is there already", "name another file, or replace it with --force");
  }
  const auto reply = session.Post("/v1/backup", Json::object());
  if (!reply.ok()) return reply.status();
  const absl::Status written = WritePrivateFile(path, reply->dump() + "\n");
  if (!written.ok()) return written;
  session.out() << path << ": " << fs::file_size(path) / 1024 << " KiB of "
                << TextAt(*reply, "/trustDomain") << "\n";
  session.err() << "It holds the private keys of the mesh's roots: only you may read it (0600); "
                   "keep it so.\n";
  return 0;
}

absl::StatusOr<int> Restore(Session& session) {
  const Invocation& wanted = session.invocation;
  const auto backup = ReadBackup(wanted.name);
  if (!backup.ok()) return backup.status();
  std::error_code error;
  fs::create_directories(wanted.data_directory, error);
  const std::string path = (fs::path(wanted.data_directory) / kStoreFile).string();
  const bool is_there = fs::exists(path);
  if (is_there) {
    const absl::Status stopped = CheckStopped(path);
    if (!stopped.ok()) return stopped;
    if (!wanted.force) {
      return Trouble(path + " is there already",
                     "name an empty folder, or say --force: the store that is there is kept beside "
                     "the new one");
    }
  }
  const std::string fresh = path + ".restoring";
  RemoveStore(fresh);
  const absl::Status written = WritePrivateFile(fresh, backup->image);
  if (!written.ok()) return written;
  const absl::Status good = TryStore(fresh);
  if (!good.ok()) {
    RemoveStore(fresh);
    return Trouble(wanted.name + " cannot be restored: " + std::string(good.message()),
                   "take an earlier backup, or a tulle-control of the version that made it");
  }
  session.out() << "the backup is whole: " << backup->trust_domain << ", taken "
                << FormatAge(session.environment.now() - backup->created_at) << " ago\n";
  if (is_there) {
    const absl::Status aside = PutAside(session, path);
    if (!aside.ok()) return aside;
  }
  fs::rename(fresh, path, error);
  RemoveStore(fresh);
  if (error) return Trouble(path + " cannot be written: " + error.message(), "check its folder");
  session.out() << path << " is restored\n";
  session.err() << "Start tulle-control with --data-dir " << wanted.data_directory
                << ". Credentials are those of the backup; sidecars come back by themselves.\n";
  return 0;
}

}  // namespace tulle::cli
