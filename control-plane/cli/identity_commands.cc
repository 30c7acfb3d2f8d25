#include <filesystem>

#include "absl/strings/str_cat.h"
#include "certs/csr.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/policy/names.h"

namespace tulle::cli {
namespace {

// {"account", "namespace", "ttlSeconds"} of a token or a certificate.
absl::StatusOr<Json> IdentityRequest(Session& session) {
  const Invocation& wanted = session.invocation;
  const std::string account =
      wanted.account.empty() && !wanted.services.empty() ? wanted.services[0] : wanted.account;
  if (account.empty())
    return UserError("--service is required", "name the service of the workload");
  if (wanted.account.empty() && !policy::IsDnsLabel(account)) {
    return UserError("--service: invalid service name \"" + account + "\"",
                     "use lower-case letters, digits and -");
  }
  Json request = {{"account", account}, {"namespace", session.Namespace()}};
  if (wanted.ttl.empty()) return request;
  const auto seconds = ParseLifetime(wanted.ttl);
  if (!seconds.ok()) return seconds.status();
  request["ttlSeconds"] = *seconds;
  return request;
}

// What a rotation is waiting for; empty: nothing.
std::string WaitingFor(const Json& roots, int64_t now) {
  std::string waiting;
  for (const Json& proxy : PartAt(roots, "/waitingFor")) waiting += " " + TextAt(proxy, "");
  const int64_t until = NumberAt(roots, "/waitsUntil");
  if (until > 0) {
    waiting += std::string(waiting.empty() ? "" : " and") +
               " certificates of proxies that are not connected to expire (the last in " +
               FormatAge(until - now) + ")";
  }
  const std::string others = TextAt(roots, "/waitsForOthers");
  if (!others.empty()) waiting += (waiting.empty() ? " " : "; ") + others;
  return waiting.empty() ? "" : "waiting for" + waiting;
}

std::string ProgressOf(const Json& roots, int64_t now) {
  const std::string waiting = WaitingFor(roots, now);
  return TextAt(roots, "/phase") + (waiting.empty() ? "" : ", " + waiting);
}

void PrintNewRoot(Session& session, const Json& roots) {
  session.out() << "new root: " << TextAt(roots, "/signingRoot/sha256") << "\n";
}

// Each change of phase on a line, until the rotation is complete, however long it waits.
absl::StatusOr<int> WatchRotation(Session& session) {
  std::string shown;
  for (;;) {
    const auto roots = session.Get("/v1/certs");
    if (!roots.ok()) return roots.status();
    const absl::Status adopted = session.AdoptTrust(LinesAt(*roots, "/trustBundle"));
    if (!adopted.ok()) return adopted;
    if (TextAt(*roots, "/phase") == "steady") {
      PrintNewRoot(session, *roots);
      return 0;
    }
    // Not the rest of the time, which runs: what is waited for.
    const std::string progress = ProgressOf(*roots, 0);
    if (progress != shown) {
      session.out() << ProgressOf(*roots, session.environment.now()) << std::endl;
    }
    shown = progress;
    session.environment.pause(std::chrono::seconds(1));
  }
}

// Carries out the step that the rotation waits for; without --yes, says what that breaks.
absl::StatusOr<int> ForceRotation(Session& session) {
  const auto roots = session.Get("/v1/certs");
  if (!roots.ok()) return roots.status();
  if (TextAt(*roots, "/phase") == "steady") {
    return UserError("no root rotation is in progress", "start one with `tullectl cert rotate`");
  }
  const int64_t now = session.environment.now();
  const bool drops_root = TextAt(*roots, "/phase") == "renewing certificates";
  session.out() << ProgressOf(*roots, now) << "\n"
                << (drops_root
                        ? "The former root is dropped. Certificates that it signed are refused "
                          "from now on: those that are waited for, and those in files. Their "
                          "workloads have to join again with a new token (`tullectl token "
                          "create`), or get a new certificate (`tullectl cert issue`).\n"
                        : "The new root signs from now on. Those that are waited for do not trust "
                          "it yet: their calls to workloads with a new certificate fail until "
                          "they connect to the control plane.\n");
  if (!session.invocation.yes) {
    return UserError("nothing was changed", "if that is acceptable, repeat the command with --yes");
  }
  const auto forced = session.Post("/v1/certs/rotate", {{"force", true}});
  if (!forced.ok()) return forced.status();
  const absl::Status adopted = session.AdoptTrust(LinesAt(*forced, "/trustBundle"));
  if (!adopted.ok()) return adopted;
  session.out() << ProgressOf(*forced, now) << "\n";
  return 0;
}

// --svid-ttl of tulle-control limits every lifetime.
void SayIfShorter(Session& session, const Json& request, const Json& reply) {
  constexpr int64_t kSlack = 60;  // clocks differ, and the way there takes its time
  const int64_t asked = NumberAt(request, "/ttlSeconds");
  const int64_t given = NumberAt(reply, "/notAfter") - session.environment.now();
  if (given + kSlack >= asked) return;
  session.err() << "The lifetime is shorter than the requested " << FormatAge(asked)
                << ": tulle-control --svid-ttl limits it. Issue a new certificate before this one "
                   "expires.\n";
}

}  // namespace

absl::StatusOr<int> CreateToken(Session& session) {
  if (absl::Status warned = session.WarnInCluster(
          "pods need no join token: their identity is that of their service account, and `kubectl "
          "label namespace NAME tulle.dev/inject=enabled` gives them a sidecar. This token is for "
          "a workload outside of the cluster, and is lost when tulle-control restarts");
      !warned.ok())
    return warned;
  auto request = IdentityRequest(session);
  if (!request.ok()) return request.status();
  if (!session.invocation.services.empty()) (*request)["services"] = session.invocation.services;
  const auto reply = session.Post("/v1/tokens", *request);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  session.out() << TextAt(*reply, "/token") << "\n";
  if (session.invocation.format != Format::kRaw) {
    session.err() << "for " << TextAt(*reply, "/spiffeId") << ", valid for "
                  << FormatAge(NumberAt(*reply, "/expiresAt") - session.environment.now())
                  << "; pass it to the sidecar with --token-file\n";
  }
  return 0;
}

absl::StatusOr<Json> IssueInto(Session& session, const std::string& directory, Json request) {
  const std::filesystem::path folder = directory;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (std::filesystem::exists(folder / "key.pem", error) && !session.invocation.force) {
    return UserError((folder / "key.pem").string() + " already exists",
                     "use another folder with --out, or replace it with --force");
  }
  const certs::PrivateKey key = certs::SystemKeySource().Generate();
  // The name in a request is ignored, and must be well-formed.
  const auto id = certs::SpiffeId::ForWorkload("cluster.local", "default", "requested");
  if (!id.ok()) return id.status();
  request["csr"] = certs::BuildCertificateRequest(key, *id);
  auto reply = session.Post("/v1/certs/issue", request);
  if (!reply.ok()) return reply.status();
  const std::pair<const char*, std::string> files[] = {
      {"key.pem", key.ToPem()},
      {"cert.pem", LinesAt(*reply, "/certificate")},
      {"ca.pem", LinesAt(*reply, "/trustBundle")},
  };
  for (const auto& [name, text] : files) {
    const absl::Status written = WritePrivateFile((folder / name).string(), text);
    if (!written.ok()) return written;
  }
  session.out() << TextAt(*reply, "/spiffeId") << ", expires in "
                << FormatAge(NumberAt(*reply, "/notAfter") - session.environment.now()) << ": "
                << (folder / "{key,cert,ca}.pem").string() << "\n";
  return reply;
}

absl::StatusOr<int> IssueCertificate(Session& session) {
  auto request = IdentityRequest(session);
  if (!request.ok()) return request.status();
  const auto reply = IssueInto(session, session.invocation.directory, *request);
  if (!reply.ok()) return reply.status();
  SayIfShorter(session, *request, *reply);
  return 0;
}

absl::StatusOr<int> RotateRoot(Session& session) {
  if (session.invocation.force) return ForceRotation(session);
  if (session.invocation.wait) {
    const auto now = session.Get("/v1/certs");
    if (!now.ok()) return now.status();
    if (TextAt(*now, "/phase") != "steady") {
      session.out() << "A rotation is already in progress.\n";
      return WatchRotation(session);
    }
  }
  const auto roots = session.Post("/v1/certs/rotate", Json::object());
  if (!roots.ok()) return roots.status();
  // Both roots, so that the server is still trusted when its certificate is signed by the new one.
  const absl::Status adopted = session.AdoptTrust(LinesAt(*roots, "/trustBundle"));
  if (!adopted.ok()) return adopted;
  if (TextAt(*roots, "/phase") == "steady") {
    session.out() << "No proxy has a certificate: the rotation is complete.\n";
    PrintNewRoot(session, *roots);
    return 0;
  }
  if (session.invocation.wait) return WatchRotation(session);
  session.out() << ProgressOf(*roots, session.environment.now()) << "\n";
  session.err() << "The rotation continues in the background. Watch it with `tullectl cert rotate "
                   "--watch`.\n";
  return 0;
}

absl::StatusOr<int> ShowRoots(Session& session) {
  const auto roots = session.Get("/v1/certs");
  if (!roots.ok()) return roots.status();
  if (session.wants_json()) {
    PrintJson(*roots, session.invocation.format, session.out());
  } else if (session.invocation.format == Format::kRaw) {
    session.out() << LinesAt(*roots, "/trustBundle");
  } else {
    const int64_t now = session.environment.now();
    Table table({"TRUST DOMAIN", "ROTATION", "ROOT", "AGE", "EXPIRES"});
    table.AddRow({TextAt(*roots, "/trustDomain"), TextAt(*roots, "/phase"),
                  TextAt(*roots, "/signingRoot/sha256").substr(0, 16),
                  FormatAge(now - NumberAt(*roots, "/signingRoot/notBefore")),
                  "in " + FormatAge(NumberAt(*roots, "/signingRoot/notAfter") - now)},
                 WaitingFor(*roots, now));
    session.Show(table);
  }
  return 0;
}

}  // namespace tulle::cli
