#include "sidecar/membership/registration.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::sidecar {
namespace {

registry::v1::RegisterRequest Parsed(const Workload& workload) {
  registry::v1::RegisterRequest request;
  const absl::StatusOr<std::string> bytes = MakeRegistration(workload, "id-1");
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(bytes.ok() && request.ParseFromString(*bytes));
  return request;
}

registry::v1::Port Inbound(const std::string& text) {
  Workload workload;
  workload.inbound = {text};
  const registry::v1::RegisterRequest request = Parsed(workload);
  EXPECT_EQ(request.ports_size(), 1);
  return request.ports_size() == 1 ? request.ports(0) : registry::v1::Port();
}

TEST(MakeRegistration, SaysWhatTheWorkloadIs) {
  Workload workload;
  workload.service = "shop.default";
  workload.address = "10.0.0.5";
  workload.locality = "eu/a";
  workload.inbound = {"18080:8080/http", "19090:9090/grpc"};
  workload.outbound_http = 15080;
  workload.outbound_tcp = {"redis:6379=16379", "db.data:5432=15432"};
  const registry::v1::RegisterRequest request = Parsed(workload);
  EXPECT_EQ(request.instance_id(), "id-1");
  EXPECT_EQ(request.service(), "shop.default");
  EXPECT_EQ(request.address(), "10.0.0.5");
  EXPECT_EQ(request.locality(), "eu/a");
  ASSERT_EQ(request.ports_size(), 2);
  EXPECT_EQ(request.ports(1).listen_port(), 19090u);
  EXPECT_EQ(request.outbound().http_port(), 15080u);
  ASSERT_EQ(request.outbound().tcp_size(), 2);
  EXPECT_EQ(request.outbound().tcp(0).service(), "redis");
  EXPECT_EQ(request.outbound().tcp(0).service_port(), 6379u);
  EXPECT_EQ(request.outbound().tcp(0).listen_port(), 16379u);
  EXPECT_EQ(request.outbound().tcp(1).service(), "db.data");
}

TEST(MakeRegistration, InboundPortsThatAreNotSaidAreTheListener) {
  const registry::v1::Port port = Inbound("18080:8080/http");
  EXPECT_EQ(port.name(), "http-18080");
  EXPECT_EQ(port.number(), 18080u);
  EXPECT_EQ(port.listen_port(), 18080u);
  EXPECT_EQ(port.application_port(), 8080u);
  EXPECT_EQ(port.service_port(), 18080u);
  EXPECT_EQ(port.protocol(), "http");
}

TEST(MakeRegistration, InboundSaysAllPorts) {
  const registry::v1::Port port = Inbound("8081@18080:8080:80/tcp");
  EXPECT_EQ(port.number(), 8081u);
  EXPECT_EQ(port.listen_port(), 18080u);
  EXPECT_EQ(port.application_port(), 8080u);
  EXPECT_EQ(port.service_port(), 80u);
  EXPECT_EQ(port.protocol(), "tcp");
}

TEST(MakeRegistration, APortThatIsSkippedIsDialledItself) {
  Workload workload;
  workload.service = "web";
  workload.inbound = {"18080:8080:80/http", "9@18081:8081:81/http"};
  workload.skip_ports = {8080, 8081};
  const registry::v1::RegisterRequest request = Parsed(workload);
  ASSERT_EQ(request.ports_size(), 2);
  EXPECT_EQ(request.ports(0).number(), 8080u);
  EXPECT_EQ(request.ports(1).number(), 9u) << "as it was told";
}

TEST(MakeRegistration, ATransparentWorkloadSaysItsOwnPorts) {
  Workload workload;
  workload.transparent = true;
  workload.has_ipv6 = true;
  workload.ports = {"8080:80", "9090/grpc", "6379", "9100"};
  workload.opaque_ports = {6379};
  workload.skip_ports = {9100};
  const registry::v1::RegisterRequest request = Parsed(workload);
  ASSERT_EQ(request.ports_size(), 4);
  EXPECT_EQ(request.ports(0).number(), 8080u);
  EXPECT_EQ(request.ports(0).application_port(), 8080u);
  EXPECT_EQ(request.ports(0).service_port(), 80u);
  EXPECT_EQ(request.ports(0).protocol(), "");
  EXPECT_EQ(request.ports(1).protocol(), "grpc");
  EXPECT_EQ(request.ports(2).protocol(), "tcp") << "opaque";
  EXPECT_FALSE(request.ports(2).skipped());
  EXPECT_TRUE(request.ports(3).skipped());
  EXPECT_EQ(request.interception().outbound_port(), 15001u);
  EXPECT_EQ(request.interception().inbound_port(), 15006u);
  EXPECT_TRUE(request.interception().ipv6());
}

// The option, what was given, and what would be right.
void ExpectRefused(const Workload& workload, const std::string& option, const std::string& text,
                   const std::string& example) {
  const absl::StatusOr<std::string> bytes = MakeRegistration(workload, "id-1");
  ASSERT_FALSE(bytes.ok()) << text;
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(bytes.status().message());
  EXPECT_TRUE(message.starts_with(option + " " + text + ": ")) << message;
  EXPECT_NE(message.find(example), std::string::npos) << message;
}

TEST(MakeRegistration, BadInboundNamesTheOption) {
  for (const char* text : {"",
                           "http",
                           "18080/http",
                           "18080:8080",
                           "18080:8080/",
                           "18080:8080/HTTP",
                           "18080:8080/https",
                           "18080:8080/http/2",
                           "0:8080/http",
                           "18080:0/http",
                           "65536:8080/http",
                           "18080:70000/http",
                           ":8080/http",
                           "18080:/http",
                           "18080:8080:/http",
                           "18080:8080:0/http",
                           "18080:8080:80:1/http",
                           "-1:8080/http",
                           "1x:8080/http",
                           " 18080:8080/http",
                           "@18080:8080/http",
                           "0@18080:8080/http",
                           "1@2@18080:8080/http"}) {
    Workload workload;
    workload.inbound = {"18081:8081/http", text};
    ExpectRefused(workload, "--inbound", text, "such as 18080:8080:80/http");
  }
}

TEST(MakeRegistration, BadOutboundTcpNamesTheOption) {
  for (const char* text : {"", "redis", "redis:6379", "redis=16379", "redis:6379=", "redis:=16379",
                           ":6379=16379", "redis:0=16379", "redis:6379=0", "redis:65536=16379",
                           "redis:6379=16379=1", "redis:6379=localhost:16379"}) {
    Workload workload;
    workload.outbound_tcp = {"db:5432=15432", text};
    ExpectRefused(workload, "--outbound-tcp", text, "such as redis:6379=16379");
  }
}

std::string Error(const Workload& workload) {
  return std::string(MakeRegistration(workload, "id-1").status().message());
}

TEST(MakeRegistration, BadNamesAndAddressesNameTheOption) {
  for (const char* text : {"A b", "Web", "web.", "-web", "../web"}) {
    Workload workload;
    workload.service = text;
    ExpectRefused(workload, "--service", text, "invalid service name");
  }
  for (const char* text : {"999.1.1.1", "localhost", "10.0.0.1:80"}) {
    Workload workload;
    workload.address = text;
    ExpectRefused(workload, "--address", text, "invalid IP address");
  }
  for (const char* text : {"a/b/c/d", "/b", "a//c", "a b"}) {
    Workload workload;
    workload.locality = text;
    ExpectRefused(workload, "--locality", text, "expected REGION[/ZONE[/SUBZONE]]");
  }
  Workload fine;
  fine.service = "web.default";
  fine.address = "fd00::1";
  fine.locality = "eu/a_1/b.2";
  EXPECT_EQ(Error(fine), "");
}

TEST(MakeRegistration, DuplicatePortsNameTheOption) {
  Workload explicit_listeners;
  explicit_listeners.inbound = {"25080:80/http", "25080:81/http"};
  EXPECT_EQ(Error(explicit_listeners), "--inbound: duplicate port 25080");
  explicit_listeners.inbound = {"25080:80/http"};
  explicit_listeners.outbound_http = 15001;
  explicit_listeners.outbound_tcp = {"redis:6379=15001"};
  EXPECT_EQ(Error(explicit_listeners), "--outbound-tcp: duplicate port 15001");
  Workload transparent;
  transparent.transparent = true;
  transparent.ports = {"8080:80", "8080:81"};
  EXPECT_EQ(Error(transparent), "--port: duplicate port 8080");
  transparent.ports = {"15006"};
  EXPECT_TRUE(Error(transparent).starts_with("--port 15006: used by the sidecar itself"));
  transparent.ports = {"8080"};
  transparent.inbound_capture = transparent.outbound_capture;
  EXPECT_EQ(Error(transparent), "--outbound-port and --inbound-port must differ");
}

}  // namespace
}  // namespace tulle::sidecar
