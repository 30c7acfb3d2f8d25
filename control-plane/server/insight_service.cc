#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "control-plane/discovery/mesh.h"
#include "control-plane/discovery/service_table.h"
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

// The stream of one sidecar. Owner: the gRPC server.
class InsightCall final : public grpc::CallHandler {
 public:
  InsightCall(ControlPlane& plane, loop::Loop& loop, grpc::ServerCall& call, size_t& streams)
      : plane_(plane),
        call_(call),
        traffic_(plane.traffic(), call.transport().peer()->spiffe_id,
                 [&plane](const std::string& host, const std::string& reporter) {
                   return Serves(plane, host, reporter);
                 }),
        read_again_(loop.NewTimer([this] { call_.Read(); })),
        streams_(streams) {
    ++streams_;
    call_.Read();
    Instruct();
  }
  ~InsightCall() override { --streams_; }

  void OnMessage(std::string bytes) override {
    insight::v1::FromSidecar message;
    if (!message.ParseFromString(bytes) || !traffic_.Add(message.traffic(), plane_.Now()))
      return Finish({grpc::Code::kInvalidArgument, "invalid report"});
    plane_.traffic().Sweep(plane_.Now());
    Instruct();
    read_again_->Start(kBetweenReports);
  }
  void OnHalfClose() override { Finish({}); }
  void OnCancelled() override { read_again_->Stop(); }

 private:
  void Finish(const grpc::Status& status) {
    read_again_->Stop();
    call_.Finish(status);
  }
  // The first time, and when the number of sidecars has changed much.
  void Instruct() {
    const auto seconds =
        static_cast<uint32_t>(std::max<size_t>(streams_ / kReportsPerSecond, kFewestSeconds));
    if (seconds == seconds_) return;
    seconds_ = seconds;
    insight::v1::ToSidecar instruction;
    instruction.set_report_seconds(seconds);
    call_.Send(instruction.SerializeAsString());
  }

  ControlPlane& plane_;
  grpc::ServerCall& call_;
  insight::TrafficStream traffic_;
  std::unique_ptr<loop::Timer> read_again_;
  size_t& streams_;
  uint32_t seconds_ = kFewestSeconds;  // what the sidecar begins with
};

}  // namespace

void AddInsight(ControlPlane* plane, loop::Loop* loop, grpc::ServiceRegistry* services) {
  services->AddStreaming(
      kInsightPath,
      [plane, loop, streams = std::make_shared<size_t>(0)](grpc::ServerCall& call) {
        return std::make_unique<InsightCall>(*plane, *loop, call, *streams);
      },
      kLargestReport);
}

}  // namespace tulle::server
