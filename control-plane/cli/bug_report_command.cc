// `tullectl bug-report`: what others need to see to help, without secrets, in one archive.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/pod_logs.h"
#include "control-plane/cli/redaction.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/tar_archive.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/unsafe_text.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

constexpr size_t kMostReported = 20;   // proxies
constexpr size_t kLongestFolder = 40;  // names of ustar have 100 bytes
constexpr size_t kMostControls = 5;
constexpr size_t kMostOfLogs = 64 << 20;  // bytes, together

struct Source {
  const char* file;
  const char* path;
  Session::Query query = {};
};

const std::vector<Source>& Sources() {
  static const auto& sources = *new std::vector<Source>{
      {"version.json", "/v1/version"},     {"check.json", "/v1/check"},
      {"proxies.json", "/v1/proxies"},     {"services.json", "/v1/services"},
      {"workloads.json", "/v1/workloads"}, {"policies.json", "/v1/policies"},
      {"history.json", "/v1/history"},     {"events.json", "/v1/events"},
      {"failures.json", "/v1/failures"},   {"traffic.json", "/v1/traffic", {{"window", "600"}}},
      {"roots.json", "/v1/certs"},
  };
  return sources;
}

// No secrets among them: the control plane does not tell private keys, but nobody needs the part.
constexpr const char* kReportedParts[] = {"listeners", "routes", "clusters", "endpoints"};

constexpr char kReadMe[] =
    "What tulle-control and some of its proxies say of themselves. All of it is JSON as the API\n"
    "has it: see docs/observability.md.\n\n"
    "proxies/NUMBER-NAME/ has what the control plane has sent to a proxy, and live-*.json what\n"
    "is in force there. logs/ and proxies/*/sidecar.log have the newest lines of logs, at most\n"
    "10,000 and 5 MiB each; previous.log is of the run before a restart. errors.txt lists what\n"
    "could not be read.\n\n"
    "Taken out, as [redacted]: private keys, tokens, credentials, values of headers, cookies and\n"
    "query parameters, queries of paths, annotations and other metadata that anybody may write,\n"
    "bodies of direct responses. Names of services, identities, addresses and paths are in it:\n"
    "read it before you give it to others.\n";

// Outside a cluster.
constexpr char kWhereLogsAre[] =
    "Logs are not in this report: there is no cluster that has them, and the API does not tell\n"
    "them. tulle-control and the sidecars write to standard error, so whatever started them\n"
    "keeps their logs. Add them:\n\n"
    "  journalctl -u UNIT -n 10000             if systemd runs them, on the host of each\n"
    "  docker logs --tail 10000 CONTAINER      if a container engine does\n\n"
    "or else the file that their standard error goes to. Nothing has been taken out of these: "
    "they\n"
    "have addresses and paths with queries.\n";

// The archive in the making, and what was missed.
class BugReport {
 public:
  BugReport(Session& session, std::vector<std::string> known)
      : session_(session), known_(std::move(known)), archive_(session.environment.now()) {}

  // The answer, which is in the archive too; null if there was none.
  Json Take(const std::string& file, const std::string& path, const Session::Query& query = {}) {
    const auto reply = session_.Get(path, query);
    if (!reply.ok()) {
      Miss(file, ErrorOf(reply.status()));
      return {};
    }
    AddText(file, Redacted(*reply).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return *reply;
  }
  void AddText(const std::string& file, std::string text) {
    archive_.Add(absl::StrCat("tulle-bug-report/", file), WithoutSecrets(std::move(text), known_));
  }
  // False: it did not fit.
  bool AddLog(const std::string& file, const std::string& text) {
    if (text.size() > logs_left_) return false;
    logs_left_ -= text.size();
    AddText(file, text);
    return true;
  }
  void Miss(const std::string& file, const std::string& why) {
    const std::string line = absl::StrCat(file, ": ", WithoutSecrets(why, known_));
    session_.err() << "warning: not in the report: " << line << "\n";
    missed_ += line + "\n";
  }
  std::string Finish() {
    if (!missed_.empty()) AddText("errors.txt", missed_);
    return archive_.Gzipped();
  }

 private:
  Session& session_;
  const std::vector<std::string> known_;
  TarArchive archive_;
  std::string missed_;
  size_t logs_left_ = kMostOfLogs;
};

// Of one run of a container.
void TakeLog(KubernetesApi& api, const LoggingContainer& container, bool previous,
             const std::string& file, BugReport* report) {
  const auto log = ReadLog(api, container, previous);
  if (!log.ok()) return report->Miss(file, ErrorOf(log.status()));
  if (!report->AddLog(file, *log)) report->Miss(file, "with it, the logs are more than 64 MiB");
}

void TakeControlLogs(Session& session, KubernetesApi& api, BugReport* report) {
  session.err() << "Reading logs of tulle-control\n";
  const auto containers = ControlContainers(api);
  if (!containers.ok()) return report->Miss("logs", ErrorOf(containers.status()));
  size_t number = 0;
  for (const LoggingContainer& container : *containers) {
    if (++number > kMostControls)
      return report->Miss("logs", absl::StrCat("of ", containers->size() - kMostControls,
                                               " more pods of tulle-control"));
    const std::string folder =
        absl::StrCat("logs/", number, "-", container.pod.substr(0, kLongestFolder), "/");
    TakeLog(api, container, false, folder + "tulle-control.log", report);
    if (container.was_restarted) TakeLog(api, container, true, folder + "previous.log", report);
  }
}

// Of a sidecar in a pod.
void TakeSidecarLog(KubernetesApi& api, const std::string& pod, const std::string& file,
                    BugReport* report) {
  if (pod.empty()) return report->Miss(file, "the proxy is in no pod");
  const auto container = SidecarOf(pod);
  if (!container.ok()) return report->Miss(file, ErrorOf(container.status()));
  TakeLog(api, *container, false, file, report);
}

bool HasProblem(const Json& proxy) {
  return !TrueAt(proxy, "/connected") || !TrueAt(proxy, "/synced") ||
         !TextAt(proxy, "/rejection").empty() || !PartAt(proxy, "/problems").empty() ||
         NumberAt(proxy, "/openBreakerCount") > 0;
}

// Those that are named, else those with a problem.
absl::StatusOr<std::vector<std::string>> Reported(Session& session, const Json& proxies) {
  std::vector<std::string> names;
  for (const std::string& wanted : session.invocation.names) {
    const auto proxy = FindProxy(session, wanted);
    if (!proxy.ok()) return proxy.status();
    names.push_back(TextAt(*proxy, "/name"));
  }
  if (!names.empty()) return names;
  for (const Json& proxy : PartAt(proxies, "/items")) {
    if (HasProblem(proxy)) names.push_back(TextAt(proxy, "/name"));
  }
  return names;
}

// A name that a proxy has given itself, as that of a folder.
std::string FolderOf(const std::string& proxy, size_t number) {
  std::string folder = WithoutSecrets(proxy, {}).substr(0, kLongestFolder);
  for (char& c : folder) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  }
  return absl::StrCat("proxies/", number, "-", folder, "/");
}

// `api`: null outside a cluster.
void TakeProxies(Session& session, KubernetesApi* api, const Json& proxies, BugReport* report) {
  auto names = Reported(session, proxies);
  if (!names.ok()) return report->Miss("proxies", ErrorOf(names.status()));
  if (names->size() > kMostReported) {
    report->Miss("proxies", absl::StrCat(names->size() - kMostReported,
                                         " more proxies with problems: name some with --proxy"));
    names->resize(kMostReported);
  }
  for (size_t i = 0; i < names->size(); ++i) {
    const std::string& name = (*names)[i];
    session.err() << "Reading proxy " << usage::Printable(name) << " (" << i + 1 << " of "
                  << names->size() << ")\n";
    const std::string folder = FolderOf(name, i + 1);
    const std::string path = ItemPath("/v1/proxies", name);
    const Json proxy = report->Take(folder + "proxy.json", path);
    const bool is_connected = TrueAt(proxy, "/connected");
    for (const std::string part : kReportedParts) {
      report->Take(folder + part + ".json", absl::StrCat(path, "/config/", part));
      // Each would be waited for in vain.
      if (is_connected)
        report->Take(absl::StrCat(folder, "live-", part, ".json"),
                     absl::StrCat(path, "/live/", part));
    }
    if (!is_connected) report->Miss(folder + "live-*.json", "the proxy is not connected");
    if (api != nullptr) TakeSidecarLog(*api, TextAt(proxy, "/pod"), folder + "sidecar.log", report);
  }
}

absl::Status WriteNewFile(const std::string& path, std::string_view content) {
  const auto fail = [&path] {
    const int error = errno;
    return UserError(absl::StrCat("cannot write ", path, ": ", std::strerror(error)),
                     "name another file with -o FILE");
  };
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return fail();
  while (!content.empty()) {
    const ssize_t written = write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const absl::Status failed = fail();
      close(file);
      unlink(path.c_str());
      return failed;
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return close(file) == 0 ? absl::OkStatus() : fail();
}

// "tulle-bug-report-20261123T180510Z.tar.gz"
std::string UsualName(int64_t now) {
  return absl::StrCat("tulle-bug-report-",
                      absl::StrReplaceAll(FormatTime(now), {{"-", ""}, {":", ""}}), ".tar.gz");
}

}  // namespace

absl::StatusOr<int> WriteBugReport(Session& session) {
  std::string path = session.invocation.write_to;
  if (path.empty()) path = UsualName(session.environment.now());
  if (std::error_code error; std::filesystem::exists(path, error))
    return UserError(path + " already exists", "name another file with -o FILE, or remove it");
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  // Without a control plane there is nothing to report.
  if (const auto version = session.Get("/v1/version"); !version.ok()) return version.status();
  BugReport report(session, {destination->credential});
  report.AddText("README.txt", absl::StrCat(kReadMe, "\nMade by tullectl ", telemetry::kVersion,
                                            " at ", FormatTime(session.environment.now()), "\n"));
  Json proxies;
  for (const Source& source : Sources()) {
    session.err() << "Reading " << source.file << "\n";
    Json answer = report.Take(source.file, source.path, source.query);
    if (std::string_view(source.path) == "/v1/proxies") proxies = std::move(answer);
  }
  session.err() << "Reading metrics.txt\n";
  if (const auto metrics = session.Get("/v1/metrics"); metrics.ok()) {
    report.AddText("metrics.txt", LinesAt(*metrics, "/text"));
  } else {
    report.Miss("metrics.txt", ErrorOf(metrics.status()));
  }
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  if (*cluster != nullptr) {
    TakeControlLogs(session, **cluster, &report);
  } else {
    report.AddText("logs/WHERE.txt", kWhereLogsAre);
  }
  TakeProxies(session, *cluster, proxies, &report);
  const std::string archive = report.Finish();
  if (archive.empty())
    return UserError("there is not enough memory for the report", "name proxies with --proxy");
  if (absl::Status written = WriteNewFile(path, archive); !written.ok()) return written;
  session.out() << path << ": " << (archive.size() + 1023) / 1024 << " KiB\n";
  session.err() << "It has no keys, tokens or header values, but names, addresses and paths: read "
                   "it before\nyou give it to others.\n";
  return 0;
}

}  // namespace tulle::cli
