#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
#include "control-plane/insight/message_weight.h"
#include "control-plane/insight/open_questions.h"
#include "control-plane/insight/reporter_shares.h"
#include "control-plane/insight/request_records.h"
#include "control-plane/insight/respondents.h"
#include "control-plane/insight/traffic_stream.h"
#include "control-plane/policy/route.h"
#include "control-plane/server/grpc_services.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::server {
namespace {

// How often sidecars report: so that all of them together send about this many reports a second.
constexpr size_t kReportsPerSecond = 400;
constexpr uint32_t kFewestSeconds = 5;
// A sidecar that sends more waits: its messages stay in the window of its stream.
constexpr loop::Duration kBetweenReports = std::chrono::milliseconds(200);
// While an answer is awaited: it may be behind a report.
constexpr loop::Duration kBetweenAnswers = std::chrono::milliseconds(10);
// And longer after a costly message (reporter_shares.h), so that the loop has time for others.
constexpr size_t kCostPerSecond = 4 * 1024 * 1024;
// Of one report; what is more counts as left out.
constexpr int kMostFailures = 100;

// Whether `host` is a service of the mesh, and `reporter` the identity of one of its workloads.
bool Serves(const ControlPlane& plane, const std::string& host, const std::string& reporter) {
  const size_t dot = host.find('.');
  if (dot == std::string::npos) return false;
  const size_t end = host.find('.', dot + 1);
  if (end == std::string::npos) return false;
  const policy::ServiceName name{host.substr(dot + 1, end - dot - 1), host.substr(0, dot)};
  const discovery::ServiceTable& services = plane.view().Services();
  const auto found = services.find(name);
  return found != services.end() && found->second.identities.contains(reporter) &&
         discovery::HostOf(name) == host;
}

// What the streams have in common.
struct Streams {
  std::set<std::string> connections;  // those that have one, by the peer's address
  insight::ReporterShares shares;
};

// The stream of one sidecar. Owner: the gRPC server.
class InsightCall final : public grpc::CallHandler, private insight::Respondent {
 public:
  InsightCall(ControlPlane& plane, loop::Loop& loop, grpc::ServerCall& call,
              std::shared_ptr<Streams> streams)
      : streams_(std::move(streams)),
        plane_(plane),
        loop_(loop),
        call_(call),
        spiffe_id_(call.transport().peer()->spiffe_id),
        address_(call.transport().PeerAddress().ToString()),
        share_(streams_->shares.Of(spiffe_id_, loop.Now())),
        traffic_(plane.traffic(), *share_, spiffe_id_,
                 [&plane](const std::string& host, const std::string& reporter) {
                   return Serves(plane, host, reporter);
                 }),
        read_again_(loop.NewTimer([this] { call_.Read(); })) {
    if (const grpc::Status refused = Enter(); !refused.ok()) {
      has_left_ = true;
      call_.Finish(refused);
      return;
    }
    plane_.respondents().OnConnected(*this);
    read_again_->Start(share_->Charge(0, loop_.Now()));
    Instruct();
  }
  ~InsightCall() override { Leave(); }

  void OnMessage(std::string bytes) override {
    const auto weight = insight::WeightOfReport(bytes);
    if (!weight) return Refuse("invalid report");
    if (*weight > insight::kHeaviestMessage) return Refuse("the report has too many parts");
    insight::v1::FromSidecar message;
    if (!message.ParseFromString(bytes) || !traffic_.Add(message.traffic(), plane_.Now()))
      return Refuse("invalid report");
    plane_.traffic().Sweep(plane_.Now());
    AddFailures(message);
    const bool is_awaited = message.has_answer() && asked_.Take(message.answer(), loop_.Now());
    if (is_awaited) TakeAnswer(*message.mutable_answer());
    Instruct();
    ReadAfter(bytes.size() + *weight, is_awaited);
  }
  void OnHalfClose() override { Finish({}); }
  void OnCancelled() override { Leave(); }

 private:
  const std::string& spiffe_id() const override { return spiffe_id_; }
  std::string proxy() const override { return plane_.view().ProxyAt(address_, spiffe_id_); }
  bool Send(const insight::v1::ToSidecar& message) override {
    if (call_.SendRoom() == 0) return false;
    call_.Send(message.SerializeAsString());
    asked_.OnSent(message, loop_.Now());
    if (asked_.are_urgent(loop_.Now()) && read_again_->active())
      read_again_->Start(std::max(kBetweenAnswers, rested_ - loop_.Now()));
    return true;
  }

  // A sidecar has one stream for each connection; limits are of each stream.
  grpc::Status Enter() {
    if (streams_->connections.contains(address_))
      return {grpc::Code::kResourceExhausted, "this connection has an insight stream already"};
    if (!share_->AddStream()) {
      return {grpc::Code::kResourceExhausted,
              absl::StrCat("this identity has ", insight::ReporterShare::kMostStreams,
                           " insight streams already")};
    }
    streams_->connections.insert(address_);
    return {};
  }
  // What was asked for is limited by the questions alone.
  void ReadAfter(size_t cost, bool was_asked) {
    const loop::Instant now = loop_.Now();
    const loop::Duration rest = std::chrono::microseconds(cost * 1'000'000 / kCostPerSecond);
    const loop::Duration charged = was_asked ? loop::Duration{} : share_->Charge(cost, now);
    rested_ = now + std::max(rest, charged);
    const loop::Duration usual = asked_.are_urgent(now) ? kBetweenAnswers : kBetweenReports;
    read_again_->Start(std::max(usual, rested_ - now));
  }
  void Refuse(const char* why) { Finish({grpc::Code::kInvalidArgument, why}); }

  // What it says of itself is replaced by what its certificate says.
  insight::Reporter Self() const {
    return {spiffe_id_, proxy(),
            [this](const std::string& host) { return Serves(plane_, host, spiffe_id_); }};
  }
  int64_t NowMicros() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(loop_.WallNow().time_since_epoch())
        .count();
  }
  void AddFailures(insight::v1::FromSidecar& message) {
    const int known = std::min(message.failed_size(), kMostFailures);
    plane_.failures().AddLeftOut(
        message.failed_left_out() + static_cast<uint64_t>(message.failed_size() - known),
        spiffe_id_, plane_.Now());
    if (known == 0) return;
    const insight::Reporter self = Self();
    for (int i = 0; i < known; ++i) {
      insight::v1::RequestRecord& record = *message.mutable_failed(i);
      insight::MakeSafe(record, self, NowMicros());
      plane_.failures().Add(std::move(record), spiffe_id_, plane_.Now());
    }
  }
  void TakeAnswer(insight::v1::Answer& answer) {
    const insight::Reporter self = Self();
    for (insight::v1::RequestRecord& record : *answer.mutable_requests())
      insight::MakeSafe(record, self, NowMicros());
    plane_.respondents().OnAnswer(*this, answer);
  }

  void Finish(const grpc::Status& status) {
    Leave();
    call_.Finish(status);
  }
  void Leave() {
    read_again_->Stop();
    if (std::exchange(has_left_, true)) return;
    streams_->connections.erase(address_);
    share_->EndStream(traffic_.series());
    plane_.respondents().OnGone(*this);
  }
  // The first time, and when the number of sidecars has changed much.
  void Instruct() {
    const auto seconds = static_cast<uint32_t>(
        std::max<size_t>(plane_.respondents().all().size() / kReportsPerSecond, kFewestSeconds));
    if (seconds == seconds_) return;
    seconds_ = seconds;
    insight::v1::ToSidecar instruction;
    instruction.set_report_seconds(seconds);
    call_.Send(instruction.SerializeAsString());
  }

  const std::shared_ptr<Streams> streams_;
  ControlPlane& plane_;
  loop::Loop& loop_;
  grpc::ServerCall& call_;
  const std::string spiffe_id_;
  const std::string address_;
  const std::shared_ptr<insight::ReporterShare> share_;  // of this identity
  insight::TrafficStream traffic_;
  insight::OpenQuestions asked_;
  std::unique_ptr<loop::Timer> read_again_;
  loop::Instant rested_{};  // from when on it may be read
  bool has_left_ = false;
  uint32_t seconds_ = kFewestSeconds;  // what the sidecar begins with
};

}  // namespace

void AddInsight(ControlPlane* plane, loop::Loop* loop, grpc::ServiceRegistry* services) {
  services->AddStreaming(
      kInsightPath,
      [plane, loop, streams = std::make_shared<Streams>()](grpc::ServerCall& call) {
        return std::make_unique<InsightCall>(*plane, *loop, call, streams);
      },
      kLargestReport);
}

}  // namespace tulle::server
