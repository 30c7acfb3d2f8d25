#include "control-plane/server/traffic_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/insight/traffic_stream.h"
#include "control-plane/store/statement.h"

namespace tulle::server {
namespace {

using insight::Connections;
using insight::Edge;
using insight::EdgeTraffic;
using insight::Outcome;
using insight::Traffic;
using insight::TrafficBook;
using Json = nlohmann::json;
using store::Statement;

constexpr int64_t kMinuteSeconds = 60;
constexpr loop::Duration kTickPeriod = std::chrono::seconds(5);
constexpr loop::Duration kBetweenTurns = std::chrono::milliseconds(50);
// A file of another version is replaced.
constexpr int64_t kArchiveVersion = 2;
// Losing the last minutes with the power is no harm, so no write waits for the disk.
constexpr char kSchema[] =
    "PRAGMA synchronous=OFF; PRAGMA journal_mode=TRUNCATE;"
    "CREATE TABLE IF NOT EXISTS minutes(start INTEGER NOT NULL, edge TEXT NOT NULL,"
    " traffic TEXT NOT NULL, PRIMARY KEY(start, edge)) WITHOUT ROWID;"
    "PRAGMA user_version=2;";

// DataLoss: the file is of no use to anybody. Anything else may pass: a full disk, a lock.
absl::Status LastError(sqlite3* database) {
  switch (sqlite3_errcode(database)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // the tables are not ours
      return absl::DataLossError(sqlite3_errmsg(database));
    default:
      return absl::UnavailableError(sqlite3_errmsg(database));
  }
}

absl::Status Execute(sqlite3* database, const char* sql) {
  const int code = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : LastError(database);
}

std::string TextOf(const Edge& edge) {
  return Json{edge.source,   edge.service,    edge.destination, edge.protocol,
              edge.outbound, edge.mutual_tls, edge.route,       edge.called}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TextOf(const Traffic& traffic) {
  Json outcomes = Json::array();
  for (const auto& [outcome, count] : traffic.outcomes)
    outcomes.push_back({outcome.code, outcome.grpc_status, outcome.flags, count});
  const Connections& tcp = traffic.tcp;
  return Json{{"failures", traffic.failures},
              {"buckets", traffic.buckets},
              {"outcomes", std::move(outcomes)},
              {"tcp", {tcp.opened, tcp.closed, tcp.sent, tcp.received, tcp.failed, tcp.denied}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Edge EdgeOf(const Json& json) {
  return {json.at(0).get<std::string>(), json.at(1).get<std::string>(),
          json.at(2).get<std::string>(), json.at(3).get<std::string>(),
          json.at(4).get<bool>(),        json.at(5).get<bool>(),
          json.at(6).get<std::string>(), json.at(7).get<std::string>()};
}

Traffic TrafficOf(const Json& json) {
  Traffic traffic;
  traffic.failures = json.at("failures").get<uint64_t>();
  traffic.buckets = json.at("buckets").get<decltype(traffic.buckets)>();
  for (const Json& each : json.at("outcomes"))
    traffic.outcomes[Outcome{each.at(0).get<uint32_t>(), each.at(1).get<int>(),
                             each.at(2).get<std::string>()}] = each.at(3).get<uint64_t>();
  const Json& tcp = json.at("tcp");
  traffic.tcp = {tcp.at(0).get<uint64_t>(), tcp.at(1).get<uint64_t>(), tcp.at(2).get<uint64_t>(),
                 tcp.at(3).get<uint64_t>(), tcp.at(4).get<uint64_t>(), tcp.at(5).get<uint64_t>()};
  return traffic;
}

absl::Status CreatePrivate(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return absl::ErrnoToStatus(errno, "cannot open " + path);
  const int error = fchmod(file, 0600) == 0 ? 0 : errno;
  close(file);
  return error == 0 ? absl::OkStatus()
                    : absl::ErrnoToStatus(error, "cannot set the mode of " + path + " to 0600");
}

}  // namespace

TrafficArchive::TrafficArchive(sqlite3* database, TrafficBook& book, loop::Loop& loop,
                               telemetry::Log& log)
    : database_(database),
      book_(book),
      loop_(loop),
      log_(log),
      timer_(loop.NewTimer([this] { Tick(); })) {}

TrafficArchive::~TrafficArchive() { sqlite3_close(database_); }

absl::StatusOr<std::unique_ptr<TrafficArchive>> TrafficArchive::Open(const std::string& path,
                                                                     TrafficBook& book,
                                                                     loop::Loop& loop,
                                                                     telemetry::Log& log) {
  absl::Status status;
  for (const bool is_last : {false, true}) {
    status = CreatePrivate(path);
    if (!status.ok()) return status;
    sqlite3* database = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr);
    std::unique_ptr<TrafficArchive> archive(new TrafficArchive(database, book, loop, log));
    status = code == SQLITE_OK ? archive->Prepare() : LastError(database);
    if (status.ok()) status = archive->Restore();
    if (status.ok()) {
      archive->written_ = archive->Now() / kMinuteSeconds * kMinuteSeconds - kMinuteSeconds;
      archive->timer_->Start(kTickPeriod);
      return archive;
    }
    if (is_last || !absl::IsDataLoss(status)) break;
    log.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kStore,
              absl::StrCat("replacing ", path,
                           ", the traffic of the last hour is lost: ", status.message()));
    archive.reset();
    unlink(path.c_str());
    unlink((path + "-journal").c_str());
  }
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status TrafficArchive::Prepare() {
  Statement version(database_, "PRAGMA user_version");
  const bool has_version = version.Step();
  if (!version.status().ok()) return LastError(database_);
  const int64_t found = has_version ? version.Integer(0) : 0;
  if (found != 0 && found != kArchiveVersion)
    return absl::DataLossError(absl::StrCat("it has the unknown version ", found));
  return Execute(database_, kSchema);
}

int64_t TrafficArchive::FirstRow(int64_t now) const {
  int64_t first = now - TrafficBook::kKeptSeconds + 1;
  Statement sizes(database_,
                  "SELECT start, sum(length(edge) + length(traffic)) FROM minutes"
                  " WHERE start >= ? AND start < ? GROUP BY start ORDER BY start DESC");
  sizes.Bind(first).Bind(now);
  auto room = static_cast<int64_t>(kMostBytesRead);
  while (sizes.Step()) {
    room -= sizes.Integer(1);
    if (room < 0) return sizes.Integer(0) + 1;
  }
  return first;
}

absl::Status TrafficArchive::Restore() {
  const int64_t now = Now();
  Statement rows(database_,
                 "SELECT start, edge, traffic FROM minutes WHERE start >= ? AND start < ?"
                 " AND length(edge) + length(traffic) <= ? ORDER BY start");
  rows.Bind(FirstRow(now)).Bind(now).Bind(static_cast<int64_t>(kLargestRow));
  try {
    while (rows.Step()) {
      const Edge edge = EdgeOf(Json::parse(rows.Text(1)));
      if (!insight::IsValid(edge)) return absl::DataLossError("it names what no sidecar reports");
      book_.Restore(edge, rows.Integer(0), TrafficOf(Json::parse(rows.Text(2))));
    }
  } catch (const Json::exception& error) {
    return absl::DataLossError(error.what());
  }
  return rows.status().ok() ? absl::OkStatus() : LastError(database_);
}

int64_t TrafficArchive::Now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch())
      .count();
}

void TrafficArchive::Tick() {
  // A minute has ended for good when a later slot has begun.
  const int64_t ended = (Now() - TrafficBook::kSlotSeconds) / kMinuteSeconds * kMinuteSeconds;
  const int64_t minute = ended - kMinuteSeconds;
  // A clock that was set back is followed.
  if (!is_writing_ && minute != written_) Collect(minute);
  const absl::Status status = WriteSome();
  if (!status.ok()) {
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kStore,
               absl::StrCat("the traffic of a minute was not written: ", status.message()));
    Execute(database_, "ROLLBACK").IgnoreError();
    is_writing_ = false;
    unwritten_.clear();
  }
  timer_->Start(is_writing_ ? kBetweenTurns : kTickPeriod);
}

void TrafficArchive::Collect(int64_t minute) {
  written_ = minute;
  bytes_ = 0;
  bytes_of_.clear();
  left_out_ = 0;
  std::map<Edge, TrafficBook::Steps> steps;
  book_.AddSteps(minute, kMinuteSeconds, [&steps](const Edge& edge) {
    TrafficBook::Steps& one = steps[edge];
    one.resize(1);
    return &one;
  });
  for (auto& [edge, one] : steps) {
    const bool has_any = one[0].requests > 0 || one[0].tcp != Connections{};
    if (has_any) unwritten_.push_back({edge, std::move(one[0])});
  }
}

absl::Status TrafficArchive::Write(const EdgeTraffic& each) {
  const std::string edge = TextOf(each.edge);
  const std::string traffic = TextOf(each.traffic);
  const size_t bytes = edge.size() + traffic.size();
  size_t& of_reporter = bytes_of_[each.edge.reporter()];
  if (bytes_ + bytes > kMostBytesOfMinute || of_reporter + bytes > kMostBytesOfOne) {
    ++left_out_;
    return absl::OkStatus();
  }
  bytes_ += bytes;
  of_reporter += bytes;
  Statement insert(database_, "INSERT OR REPLACE INTO minutes VALUES(?, ?, ?)");
  insert.Bind(written_).Bind(edge).Bind(traffic);
  return insert.Run().ok() ? absl::OkStatus() : LastError(database_);
}

absl::Status TrafficArchive::WriteSome() {
  if (unwritten_.empty()) return absl::OkStatus();
  if (!is_writing_) {
    const absl::Status begun = Execute(database_, "BEGIN IMMEDIATE");
    if (!begun.ok()) return begun;
    is_writing_ = true;
  }
  for (size_t i = 0; i < kRowsOfTurn && !unwritten_.empty(); ++i) {
    if (const absl::Status status = Write(unwritten_.back()); !status.ok()) return status;
    unwritten_.pop_back();
  }
  return unwritten_.empty() ? Finish() : absl::OkStatus();
}

absl::Status TrafficArchive::Finish() {
  Statement old(database_, "DELETE FROM minutes WHERE start <= ?");
  if (!old.Bind(written_ - TrafficBook::kKeptSeconds).Run().ok()) return LastError(database_);
  is_writing_ = false;
  if (left_out_ != 0) {
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kStore,
               absl::StrCat("the traffic of a minute was written without ", left_out_,
                            " links: there may be ", kMostBytesOfMinute >> 20, " MiB, and ",
                            kMostBytesOfOne >> 20, " MiB of one identity"));
  }
  return Execute(database_, "COMMIT");
}

}  // namespace tulle::server
