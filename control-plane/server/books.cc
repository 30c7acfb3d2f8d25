#include "control-plane/server/books.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::server {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

// A policy that restricts access must not be ignored unless the user says so: the mesh would allow
// what it forbids.
absl::Status CheckUnreadable(const discovery::PolicyBook& policies, bool ignore,
                             telemetry::Log& log) {
  std::vector<discovery::UnreadablePolicy> needed = policies.unreadable();
  if (ignore) needed.clear();
  std::erase_if(needed, [](const auto& policy) { return !policy.is_security; });
  if (!needed.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the store has policies that this version cannot parse, and without them the mesh would "
        "allow what they forbid:\n",
        discovery::ToText(needed),
        "\nStart the version of tulle-control that stored them. Or start with "
        "--ignore-unreadable-policies, which leaves them NOT ENFORCED, and apply each again or "
        "delete it"));
  }
  for (const discovery::UnreadablePolicy& policy : policies.unreadable()) {
    log.Write(
        LogLevel::kError, LogComponent::kPolicy,
        absl::StrCat("policy is NOT ENFORCED: it cannot be parsed; apply it again, or delete it: ",
                     policy.key, ": ", policy.problem));
  }
  return absl::OkStatus();
}

absl::Status OpenStore(const BookOptions& options, Books* books) {
  const bool on_disk = !options.data_dir.empty() && !options.store_in_memory;
  auto store = store::SqliteStore::Open(on_disk ? options.data_dir + "/tulle.db" : ":memory:");
  if (absl::IsUnavailable(store.status())) {
    return absl::UnavailableError(absl::StrCat("--data-dir ", options.data_dir,
                                               " is in use by another tulle-control; stop it "
                                               "first"));
  }
  if (!store.ok()) return store.status();
  books->store = *std::move(store);
  return absl::OkStatus();
}

absl::Status OpenPolicies(const BookOptions& options, telemetry::Log& log, Books* books) {
  auto policies = discovery::PolicyBook::Open(books->store.get());
  if (!policies.ok()) return policies.status();
  books->policies = *std::move(policies);
  return CheckUnreadable(*books->policies, options.ignore_unreadable_policies, log);
}

absl::Status OpenVips(telemetry::Log& log, Books* books) {
  auto vips = discovery::VipBook::Open(books->store.get());
  if (!vips.ok()) return vips.status();
  books->vips = *std::move(vips);
  for (const std::string& problem : books->vips->damaged()) {
    log.Write(LogLevel::kError, LogComponent::kRegistry, problem);
  }
  return absl::OkStatus();
}

absl::Status OpenCredentials(const BookOptions& options, int64_t now, Books* books) {
  if (options.data_dir.empty()) return absl::OkStatus();
  const std::string path = options.data_dir + "/admin-credential";
  return options.reset_admin ? books->credentials.ResetAdmin(path, now)
                             : books->credentials.EnsureFirstAdmin(path, now);
}

}  // namespace

absl::StatusOr<std::string> RootsOfStore(const BookOptions& options, certs::KeySource& keys,
                                         int64_t now) {
  Books books;
  const absl::Status status = OpenStore(options, &books);
  if (!status.ok()) return status;
  const auto authority = ca::MeshAuthority::Open(options.authority, books.store.get(), &keys, now);
  if (!authority.ok()) return authority.status();
  return (*authority)->Record();
}

absl::StatusOr<std::unique_ptr<Books>> OpenBooks(const BookOptions& options, certs::KeySource& keys,
                                                 telemetry::Log& log, int64_t now) {
  auto books = std::make_unique<Books>();
  absl::Status status = OpenStore(options, books.get());
  if (status.ok()) status = OpenPolicies(options, log, books.get());
  if (status.ok()) status = OpenVips(log, books.get());
  if (!status.ok()) return status;
  auto authority = ca::MeshAuthority::Open(options.authority, books->store.get(), &keys, now);
  if (!authority.ok()) return authority.status();
  books->authority = *std::move(authority);
  books->tokens = ca::JoinTokens(books->store.get(), &keys);
  books->credentials = api::Credentials(books->store.get(), &keys);
  status = OpenCredentials(options, now, books.get());
  if (!status.ok()) return status;
  return books;
}

}  // namespace tulle::server
