#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/child_process.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/listening.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kSlice{100};
constexpr int kReadySlices = 300;
constexpr int kRestartSlices = 10;
constexpr int kWatchSlices = 600;  // for the program to listen

absl::StatusOr<std::string> FindSidecar(const RunFlags& flags) {
  if (!flags.sidecar.empty()) {
    if (access(flags.sidecar.c_str(), X_OK) == 0) return flags.sidecar;
    return UserError(flags.sidecar + " is not an executable file", "pass --sidecar FILE");
  }
  const std::string beside = OwnFolder() + "/tulle-sidecar";
  if (access(beside.c_str(), X_OK) == 0) return beside;
  const char* path = getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string file = rest.substr(0, end) + "/tulle-sidecar";
    if (access(file.c_str(), X_OK) == 0) return file;
    rest.erase(0, end + 1);
  }
  return UserError("tulle-sidecar not found next to tullectl or in PATH", "pass --sidecar FILE");
}

absl::StatusOr<std::string> StateDirectory(Session& session) {
  const RunFlags& flags = session.invocation.run;
  std::string directory = flags.state_directory;
  if (directory.empty()) {
    const auto home = session.environment.variables.find("HOME");
    if (home == session.environment.variables.end()) {
      return UserError("HOME is not set", "pass --state-dir FOLDER for the key of the sidecar");
    }
    directory = home->second + "/.local/state/tulle/" + session.invocation.services[0];
  }
  std::error_code error;
  fs::create_directories(directory, error);
  fs::permissions(directory, fs::perms::owner_all, error);
  if (error)
    return UserError(directory + ": " + error.message(), "use another folder with --state-dir");
  return directory;
}

// The join token's file: the user's, or one with a token made for this service.
absl::StatusOr<std::string> TokenFile(Session& session, const std::string& directory) {
  const Invocation& wanted = session.invocation;
  if (!wanted.run.token_file.empty()) return wanted.run.token_file;
  const std::string account = wanted.account.empty() ? wanted.services[0] : wanted.account;
  const auto reply = session.Post("/v1/tokens", {{"account", account},
                                                 {"namespace", session.Namespace()},
                                                 {"services", wanted.services},
                                                 {"ttlSeconds", 600}});
  if (!reply.ok()) return reply.status();
  const std::string path = directory + "/join-token";
  const absl::Status written = WritePrivateFile(path, TextAt(*reply, "/token"));
  if (!written.ok()) return written;
  return path;
}

struct Ports {
  uint16_t admin = 0;
  uint16_t outbound = 0;
  uint16_t inbound = 0;  // 0: nobody calls the program
};

uint16_t ServicePort(const RunFlags& flags) {
  return flags.service_port == 0 ? flags.port : flags.service_port;
}

std::vector<std::string> SidecarWords(const Invocation& wanted, const std::string& sidecar,
                                      const std::string& control, const std::string& directory,
                                      const std::string& token, const Ports& ports) {
  const RunFlags& flags = wanted.run;
  std::vector<std::string> words = {sidecar,
                                    "--control",
                                    control,
                                    "--state-dir",
                                    directory,
                                    "--token-file",
                                    token,
                                    "--service",
                                    wanted.services[0],
                                    "--admin",
                                    absl::StrCat("127.0.0.1:", ports.admin),
                                    "--outbound-http",
                                    absl::StrCat(ports.outbound),
                                    "--drain-time",
                                    absl::StrCat(flags.drain_seconds),
                                    "--log-level",
                                    flags.log_level};
  if (ports.inbound != 0) {
    words.insert(words.end(), {"--inbound", absl::StrCat(ports.inbound, ":", flags.port, ":",
                                                         ServicePort(flags), "/", flags.protocol)});
  }
  for (const auto& [flag, value] :
       {std::pair("--address", &flags.address), std::pair("--metrics", &flags.metrics),
        std::pair("--health", &flags.health)}) {
    if (!value->empty()) words.insert(words.end(), {flag, *value});
  }
  if (flags.cause_header) words.emplace_back("--cause-header");
  for (const std::string& upstream : flags.upstreams)
    words.insert(words.end(), {"--outbound-tcp", upstream});
  if (!flags.opaque_ports.empty())
    words.insert(words.end(), {"--opaque-ports", absl::StrJoin(flags.opaque_ports, ",")});
  if (!flags.skip_ports.empty())
    words.insert(words.end(), {"--skip-inbound-ports", absl::StrJoin(flags.skip_ports, ",")});
  return words;
}

// Of the ports that the sidecar is to listen on, those that the user chose.
absl::Status CheckPorts(const RunFlags& flags) {
  if (flags.port != 0 && flags.listen_port != 0 && !IsPortFree(flags.listen_port)) {
    return UserError(absl::StrCat("port ", flags.listen_port, " is already in use"),
                     "use another port with --listen, or stop the program that uses it");
  }
  for (const std::string& upstream : flags.upstreams) {
    int port = 0;
    const size_t equals = upstream.rfind('=');
    if (equals == std::string::npos || !absl::SimpleAtoi(upstream.substr(equals + 1), &port) ||
        port <= 0 || port > 65535 || IsPortFree(static_cast<uint16_t>(port))) {
      continue;  // the sidecar names what is invalid
    }
    return UserError(absl::StrCat("port ", port, " of --upstream ", upstream, " is already in use"),
                     "use another port after the =, or stop the program that uses it");
  }
  return absl::OkStatus();
}

// What the program calls past the sidecar: loopback, and what it was told already.
std::string NoProxy(const RunFlags& flags) {
  std::string hosts = "localhost,127.0.0.1,::1";
  for (const char* name : {"NO_PROXY", "no_proxy"}) {
    const char* known = getenv(name);
    if (known == nullptr || *known == '\0') continue;
    absl::StrAppend(&hosts, ",", known);
    break;
  }
  for (const std::string& host : flags.no_proxy) absl::StrAppend(&hosts, ",", host);
  return hosts;
}

// The program and its sidecar, from start to end.
class Pair {
 public:
  Pair(Session& session, ProgramToStart sidecar, Ports ports)
      : session_(session), sidecar_(std::move(sidecar)), ports_(ports) {}

  absl::StatusOr<int> Run();

 private:
  absl::Status StartSidecar();
  absl::Status AwaitReady();
  void SayWhere() const;
  absl::StatusOr<int> StartAndWatch();
  void WatchPort();
  void Reap();
  void Forward(const Signals::Received& signal);
  void EndSidecar();

  Session& session_;
  const ProgramToStart sidecar_;
  const Ports ports_;
  Signals signals_;
  pid_t sidecar_id_ = 0;
  pid_t program_id_ = 0;
  std::optional<int> program_code_;
  int slices_until_restart_ = 0;
  int slices_to_watch_ = kWatchSlices;
  bool is_stopping_ = false;
};

absl::Status Pair::StartSidecar() {
  const auto started = StartProgram(sidecar_);
  if (!started.ok()) return started.status();
  sidecar_id_ = *started;
  return absl::OkStatus();
}

absl::Status Pair::AwaitReady() {
  for (int i = 0; i < kReadySlices; ++i) {
    if (HttpStatus(ports_.admin, "/ready") == 200) return absl::OkStatus();
    const auto signal = signals_.Next(kSlice);
    if (!signal) continue;
    if (signal->number == SIGCHLD) Reap();
    if (sidecar_id_ == 0) {
      return UserError("the sidecar exited before it was ready",
                       "see its output above; --sidecar-log-level info shows more");
    }
    if (signal->number == SIGINT || signal->number == SIGTERM) {
      return UserError("stopped before the sidecar was ready", "");
    }
  }
  return UserError(
      "the sidecar was not ready after 30 s",
      "see its output above: is the port of --listen free, and does tulle-control respond at " +
          sidecar_.argv[2] +
          "? Name it with --control HOST:PORT; --sidecar-log-level info shows more");
}

// To stderr: stdout is the program's.
void Pair::SayWhere() const {
  const Invocation& wanted = session_.invocation;
  session_.err() << "tullectl: " << wanted.services[0] << " is in the mesh: ";
  if (ports_.inbound != 0) {
    session_.err() << "clients call it at port " << ServicePort(wanted.run)
                   << " (the sidecar listens on " << ports_.inbound << "), ";
  }
  session_.err() << "it calls services through 127.0.0.1:" << ports_.outbound
                 << ", admin pages at http://127.0.0.1:" << ports_.admin << "/" << std::endl;
}

void Pair::Reap() {
  int status = 0;
  for (pid_t id = 0; (id = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (id == program_id_) program_code_ = ExitCodeOf(status);
    if (id != sidecar_id_) continue;
    sidecar_id_ = 0;
    if (is_stopping_ || program_id_ == 0) continue;
    session_.err() << "tullectl: the sidecar exited (" << ExitCodeOf(status)
                   << "); it is started again\n";
    slices_until_restart_ = kRestartSlices;
  }
}

void Pair::Forward(const Signals::Received& signal) {
  if (signal.number == SIGCHLD) return Reap();
  // Whoever sits at the terminal has told the program himself.
  if (!signal.is_of_terminal && program_id_ != 0) kill(program_id_, signal.number);
}

// Once, when the program has begun to listen.
void Pair::WatchPort() {
  const uint16_t port = session_.invocation.run.port;
  if (port == 0 || slices_to_watch_ == 0) return;
  --slices_to_watch_;
  const auto found = FindListener(port);
  if (!found) return;
  slices_to_watch_ = 0;
  if (*found == ListensOn::kLoopback) return;
  session_.err() << "tullectl: warning: the program listens on port " << port
                 << " not only of the loopback address: other hosts can call it directly, without "
                    "encryption and policies. Let it listen on 127.0.0.1"
                 << std::endl;
}

absl::StatusOr<int> Pair::StartAndWatch() {
  const RunFlags& flags = session_.invocation.run;
  ProgramToStart program{flags.program, {}, false};
  if (flags.port != 0) program.variables["PORT"] = absl::StrCat(flags.port);
  const std::string proxy = absl::StrCat("http://127.0.0.1:", ports_.outbound);
  for (const char* name : {"HTTP_PROXY", "http_proxy"}) program.variables[name] = proxy;
  for (const char* name : {"NO_PROXY", "no_proxy"}) program.variables[name] = NoProxy(flags);
  const auto started = StartProgram(program);
  if (!started.ok()) return started.status();
  program_id_ = *started;
  while (!program_code_) {
    if (const auto signal = signals_.Next(kSlice)) Forward(*signal);
    WatchPort();
    if (sidecar_id_ != 0 || slices_until_restart_ == 0 || --slices_until_restart_ > 0) continue;
    const absl::Status again = StartSidecar();
    if (again.ok()) continue;
    PrintError(again, session_.environment.has_colour, session_.err());
    slices_until_restart_ = kRestartSlices;
  }
  return *program_code_;
}

// Lets active calls finish, then stops the sidecar.
void Pair::EndSidecar() {
  is_stopping_ = true;
  if (sidecar_id_ == 0) return;
  kill(sidecar_id_, SIGTERM);
  const int slices = (session_.invocation.run.drain_seconds + 5) * 10;
  for (int i = 0; i < slices && sidecar_id_ != 0; ++i) {
    const auto signal = signals_.Next(kSlice);
    if (!signal) continue;
    if (signal->number == SIGCHLD) Reap();
    if (signal->number == SIGINT || signal->number == SIGTERM) kill(sidecar_id_, SIGTERM);
  }
  if (sidecar_id_ == 0) return;
  kill(sidecar_id_, SIGKILL);
  waitpid(sidecar_id_, nullptr, 0);
}

absl::StatusOr<int> Pair::Run() {
  absl::Status status = StartSidecar();
  if (status.ok()) status = AwaitReady();
  if (status.ok()) SayWhere();
  absl::StatusOr<int> code = status.ok() ? StartAndWatch() : absl::StatusOr<int>(status);
  EndSidecar();
  return code;
}

}  // namespace

// https://HOST:15016 -> HOST:15012.
absl::StatusOr<std::string> ControlAddress(Session& session) {
  const RunFlags& flags = session.invocation.run;
  if (!flags.control.empty()) return flags.control;
  if (absl::Status direct = session.RequireDirect("a sidecar without --control"); !direct.ok())
    return direct;
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  std::string host = destination->server;
  const size_t scheme = host.find("://");
  if (scheme != std::string::npos) host.erase(0, scheme + 3);
  host.erase(std::min(host.find('/'), host.size()));
  const size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) host.erase(colon);
  const auto port = session.GrpcPort();
  if (!port.ok()) return port.status();
  return absl::StrCat(host, ":", *port);
}

absl::StatusOr<int> RunProgram(Session& session) {
  const Invocation& wanted = session.invocation;
  if (wanted.run.program.empty()) {
    return UserError("the program to run is required",
                     "write it after --: tullectl run --service web --port 8080 -- ./web");
  }
  if (absl::Status free = CheckPorts(wanted.run); !free.ok()) return free;
  const auto sidecar = FindSidecar(wanted.run);
  if (!sidecar.ok()) return sidecar.status();
  const auto control = ControlAddress(session);
  if (!control.ok()) return control.status();
  const auto directory = StateDirectory(session);
  if (!directory.ok()) return directory.status();
  const auto token = TokenFile(session, *directory);
  if (!token.ok()) return token.status();
  Ports ports;
  ports.admin = FreePort();
  ports.outbound = FreePort();
  const uint16_t listen = wanted.run.listen_port == 0 ? FreePort() : wanted.run.listen_port;
  if (wanted.run.port != 0) ports.inbound = listen;
  ProgramToStart program{
      SidecarWords(wanted, *sidecar, *control, *directory, *token, ports), {}, true};
  return Pair(session, std::move(program), ports).Run();
}

}  // namespace tulle::cli
