#include "control-plane/insight/message_weight.h"
#include "control-plane/server/grpc_services.h"

namespace tulle::server {

void AddTraceCollector(ControlPlane* plane, grpc::ServiceRegistry* services) {
  services->AddUnary(
      "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      [plane](const grpc::ServerCall& call, const std::string& request,
              std::unique_ptr<grpc::UnaryReply> reply) {
        const auto caller = plane->admission().Authenticate(
            call.transport(), call.head().headers.Get(http::HeaderId::kAuthorization));
        if (!caller.ok()) return reply->Fail(ToGrpc(caller.status()));
        const auto weight = insight::WeightOfSpans(request);
        if (weight && *weight > insight::kHeaviestMessage)
          return reply->Fail({grpc::Code::kInvalidArgument, "too many spans or attributes"});
        if (!weight || !plane->traces().Add(request, caller->id.ToString())) {
          return reply->Fail({grpc::Code::kInvalidArgument, "invalid ExportTraceServiceRequest"});
        }
        reply->Send("");  // an empty ExportTraceServiceResponse
      },
      kLargestExport);
}

}  // namespace tulle::server
