#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/loop/uv/uv_loop.h"
#include "sidecar/admin/admin_server.h"
#include "telemetry/families.h"

namespace tulle::admin {
namespace {

struct Lines : telemetry::Log::Sink {
  explicit Lines(std::vector<std::string>& to) : lines(to) {}
  void Write(std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string>& lines;
};

class AdminTest : public testing::Test {
 protected:
  AdminTest()
      : log(telemetry::LogLevel::kInfo, telemetry::Log::Form::kText,
            std::make_unique<Lines>(lines)) {
    source.state = [this] { return AdminSource::State{ready, ready ? "LIVE" : "DRAINING"}; };
    source.metrics = [this] {
      const telemetry::Registry* all[] = {&registry};
      return telemetry::Collect(all);
    };
    source.clusters_text = [](AdminSource::Reply reply) { reply("web::default_priority\n"); };
    source.clusters_json = [](AdminSource::Reply reply) { reply("{}"); };
    source.config_dump_json = [this](AdminSource::Reply reply) { late.emplace(std::move(reply)); };
    source.log = &log;
    source.quit = [this] { ++quits; };
    source.drain_listeners = [this] { ++drains; };
    source.leave = [this](absl::AnyInvocable<void()> done) { leaving = std::move(done); };
    registry.GaugeRow(telemetry::kConfigWarnings).Set(3);
  }
  AdminResponse Ask(std::string_view method, std::string_view target,
                    std::string_view authority = "localhost:15000") {
    AdminPages pages(source, true);
    AdminResponse got{0, "no answer", "", ""};
    pages.Answer({method, target, authority},
                 [&](AdminResponse answer) { got = std::move(answer); });
    return got;
  }

  std::vector<std::string> lines;
  telemetry::Log log;
  telemetry::Registry registry;
  AdminSource source;
  std::optional<AdminSource::Reply> late;
  bool ready = true;
  int quits = 0;
  int drains = 0;
  absl::AnyInvocable<void()> leaving;
};

TEST_F(AdminTest, PagesShowWhatTheSourceGives) {
  EXPECT_EQ(Ask("GET", "/ready").body, "LIVE\n");
  ready = false;
  EXPECT_EQ(Ask("GET", "/ready").status, 503);
  EXPECT_EQ(Ask("GET", "/clusters").body, "web::default_priority\n");
  EXPECT_EQ(Ask("GET", "/clusters?format=json").type, "application/json");
  EXPECT_EQ(Ask("GET", "/stats").body, "tulle_config_warnings 3\n");
  EXPECT_NE(Ask("GET", "/stats/prometheus").body.find("# TYPE tulle_config_warnings gauge\n"),
            std::string::npos);
  EXPECT_EQ(Ask("GET", "/stats?format=prometheus").body, Ask("GET", "/stats/prometheus").body);
  EXPECT_EQ(Ask("GET", "/certs").status, 404);  // no producer
  EXPECT_EQ(Ask("GET", "/nothing").status, 404);
  EXPECT_NE(Ask("GET", "/").body.find("POST /quitquitquit"), std::string::npos);
}

// The metrics for a client with these headers.
AdminResponse Scrape(AdminSource& source, std::string_view accept, std::string_view encoding) {
  AdminPages pages(source, true);
  AdminResponse got{0, "no answer", "", ""};
  AdminRequest request{"GET", "/stats/prometheus", "localhost"};
  request.accept = accept;
  request.accept_encoding = encoding;
  pages.Answer(request, [&](AdminResponse answer) { got = std::move(answer); });
  return got;
}

TEST_F(AdminTest, MetricsAreOpenMetricsForThoseWhoPreferIt) {
  constexpr std::string_view kPlain = "text/plain; version=0.0.4; charset=utf-8";
  const std::string plain = Ask("GET", "/stats/prometheus").body;
  for (const char* accept : {"", "*/*", "text/html", "application/openmetrics-text;q=0",
                             "application/openmetrics-text;q=0.1,text/plain;version=0.0.4"}) {
    const AdminResponse answer = Scrape(source, accept, "");
    EXPECT_EQ(answer.type, kPlain) << accept;
    EXPECT_EQ(answer.body, plain);
    EXPECT_EQ(answer.encoding, "");
  }
  // As Prometheus 2.42 asks.
  const AdminResponse answer =
      Scrape(source,
             "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
             "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
             "identity");
  EXPECT_EQ(answer.type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(answer.body, plain + "# EOF\n");
  EXPECT_EQ(answer.vary, "accept, accept-encoding");
}

// What gzip data holds; empty if it is damaged or longer than expected.
std::string Unpacked(std::string packed, size_t size) {
  std::string text(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int end = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  return end == Z_STREAM_END ? text : std::string();
}

TEST_F(AdminTest, MetricsAreCompressedForThoseWhoTakeIt) {
  for (int i = 0; i < 500; ++i) {
    const std::string cluster = "cluster-" + std::to_string(i * i);
    registry.GaugeRow(telemetry::kUpstreamLimit,
                      std::array<std::string_view, 3>{cluster, "requests", "used"});
  }
  const std::string plain = Ask("GET", "/metrics").body;
  const AdminResponse answer = Scrape(source, "", "deflate, gzip");
  EXPECT_EQ(answer.encoding, "gzip");
  EXPECT_LT(answer.body.size(), plain.size() / 5);
  EXPECT_EQ(Unpacked(answer.body, plain.size()), plain);
  EXPECT_EQ(Scrape(source, "", "gzip;q=0").body, plain);
}

TEST_F(AdminTest, Fault84_ChangesRequirePost) {
  for (const char* path : {"/quitquitquit", "/drain_listeners", "/leave", "/logging?level=debug"}) {
    for (const char* method : {"GET", "HEAD", "PUT", "OPTIONS"}) {
      const AdminResponse answer = Ask(method, path);
      EXPECT_EQ(answer.status, 405) << method << path;
      EXPECT_EQ(answer.allow, "POST");
    }
  }
  EXPECT_EQ(quits + drains, 0);
  EXPECT_FALSE(leaving);
  EXPECT_EQ(log.level(telemetry::LogComponent::kXds), telemetry::LogLevel::kInfo);
  EXPECT_EQ(Ask("POST", "/ready").allow, "GET, HEAD");
  EXPECT_EQ(Ask("POST", "/drain_listeners").status, 200);
  EXPECT_EQ(Ask("POST", "/quitquitquit").body, "OK\n");
  EXPECT_EQ(drains, 1);
  EXPECT_EQ(quits, 1);
}

TEST_F(AdminTest, LeavingIsAnsweredWhenItIsDone) {
  AdminPages pages(source, true);
  int status = 0;
  pages.Answer({"POST", "/leave", "localhost"},
               [&](AdminResponse answer) { status = answer.status; });
  EXPECT_EQ(status, 0);
  leaving();
  EXPECT_EQ(status, 200);
}

TEST_F(AdminTest, Fault84_PagesOfOtherSitesAreRefused) {
  EXPECT_EQ(Ask("POST", "/quitquitquit", "evil.example:15000").status, 403);
  AdminPages pages(source, true);
  int status = 0;
  pages.Answer({"POST", "/quitquitquit", "localhost", true},
               [&](AdminResponse answer) { status = answer.status; });
  EXPECT_EQ(status, 403);
  EXPECT_EQ(quits, 0);
  for (const char* own : {"127.0.0.1:15000", "[::1]:15000", "[::1]", "localhost", ""}) {
    EXPECT_EQ(Ask("GET", "/ready", own).status, 200) << own;
  }
}

TEST_F(AdminTest, LogLevels) {
  EXPECT_EQ(Ask("POST", "/logging?xds=debug").status, 200);
  EXPECT_EQ(log.level(telemetry::LogComponent::kXds), telemetry::LogLevel::kDebug);
  EXPECT_EQ(log.level(telemetry::LogComponent::kMain), telemetry::LogLevel::kInfo);
  EXPECT_NE(Ask("POST", "/logging?level=error").body.find("  xds: error\n"), std::string::npos);
  EXPECT_EQ(Ask("POST", "/logging?level=debug&nothing=debug").status, 400);
  EXPECT_EQ(Ask("POST", "/logging?level=loud").status, 400);
  EXPECT_EQ(log.level(telemetry::LogComponent::kMain), telemetry::LogLevel::kError);
}

TEST_F(AdminTest, Fault84_OnlyLoopbackUnlessNamed) {
  std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
  AdminServer server(*loop, source);
  const absl::Status refused = server.Listen(SocketAddress::Any4(0), false);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(lines.empty());
  EXPECT_TRUE(server.Listen(SocketAddress::Any4(0), true).ok());
  ASSERT_EQ(lines.size(), 1);
  EXPECT_NE(lines[0].find("not a loopback address"), std::string::npos);
}

int Connect(const SocketAddress& to) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{10, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT_EQ(connect(descriptor, to.get(), to.length()), 0);
  return descriptor;
}

// Everything received until the peer closes.
std::string Talk(const SocketAddress& to, std::string_view request) {
  const int descriptor = Connect(to);
  EXPECT_EQ(send(descriptor, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string text;
  char piece[4096];
  for (ssize_t n; (n = recv(descriptor, piece, sizeof piece, 0)) > 0;) {
    text.append(piece, static_cast<size_t>(n));
  }
  close(descriptor);
  return text;
}

class AdminServerTest : public AdminTest {
 protected:
  template <typename Client>
  void Run(Client client) {
    std::unique_ptr<loop::Loop> loop = loop::NewUvLoop();
    {
      AdminServer server(*loop, source);
      ASSERT_TRUE(server.Listen(SocketAddress::Loopback4(0), false).ok());
      std::thread thread([&, address = server.address()] {
        client(address, *loop);
        loop->Stop();
      });
      loop->Run();
      thread.join();
    }
  }
};

TEST_F(AdminServerTest, RequestsOverOneConnection) {
  Run([](const SocketAddress& address, loop::Loop&) {
    const std::string text =
        Talk(address,
             "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
             "HEAD /stats HTTP/1.1\r\nHost: localhost\r\n\r\n"
             "POST /logging?xds=debug HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
             "GET /quitquitquit HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_NE(text.find("LIVE\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  xds: debug\n"), std::string::npos) << text;
    EXPECT_NE(text.find("HTTP/1.1 405 "), std::string::npos) << text;
    EXPECT_NE(text.find("allow: POST\r\n"), std::string::npos) << text;
  });
  EXPECT_EQ(quits, 0);
}

TEST_F(AdminServerTest, HeadersSayInWhatFormMetricsCome) {
  Run([](const SocketAddress& address, loop::Loop&) {
    const std::string text = Talk(address,
                                  "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
                                  "Accept: application/openmetrics-text\r\n"
                                  "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    for (const char* header :
         {"content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
          "content-encoding: gzip\r\n", "vary: accept, accept-encoding\r\n"}) {
      EXPECT_NE(text.find(header), std::string::npos) << text;
    }
  });
}

TEST_F(AdminServerTest, ConnectionsThatAskNothingKeepNoOneOut) {
  Run([](const SocketAddress& address, loop::Loop&) {
    std::vector<int> idle;
    for (size_t i = 0; i <= AdminServer::kMaxConnections; ++i) idle.push_back(Connect(address));
    EXPECT_NE(Talk(address, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                  .find("LIVE"),
              std::string::npos);
    for (const int descriptor : idle) close(descriptor);
  });
}

TEST_F(AdminServerTest, LateResponses) {
  Run([this](const SocketAddress& address, loop::Loop& loop) {
    const int gone = Connect(address);
    const std::string_view request = "GET /config_dump HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(send(gone, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    // Requests a page until the producer was called, then disconnects.
    for (bool asked = false; !asked;) {
      Talk(address, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      std::promise<bool> answer;
      loop.Post([&] { answer.set_value(late.has_value()); });
      asked = answer.get_future().get();
    }
    close(gone);
    Talk(address, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    std::promise<void> told;
    loop.Post([&] {
      (*late)("nobody reads this");
      source.config_dump_json = [&](AdminSource::Reply reply) {
        late.emplace(std::move(reply));
        loop.Post([this] { (*late)("{\"configs\":[]}"); });
      };
      told.set_value();
    });
    told.get_future().wait();
    const std::string text =
        Talk(address, "GET /config_dump HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(text.ends_with("\r\n\r\n{\"configs\":[]}")) << text;
  });
}

}  // namespace
}  // namespace tulle::admin
