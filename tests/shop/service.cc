// One service of the blog shop:  service ROLE PORT [--version V] [--peer NAME=HOST:PORT]...
// [--listen everywhere]
//
//   gateway   GET /blog/ID    asks auth and post        POST /blog      auth, then post
//             GET /image/ID   asks auth and image       POST /pay       auth, then payment
//   auth      GET /verify     who the token belongs to
//   post      GET /posts/ID   the text of a post        POST /posts     a receipt of the body
//   image     GET /images/ID  100 KB                    payment  POST /payments  a receipt of the
//   body
//   lab       fails and dawdles as it is asked to: lab.h
//
// A peer is called by its name in Host, at the address given: that may be the service itself or a
// proxy. It knows nothing of the mesh.
#include <sys/socket.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "tests/shop/goods.h"
#include "tests/shop/lab.h"
#include "tests/shop/wire.h"

namespace tulle::shop {
namespace {

class Service {
 public:
  Service(std::string role, std::string version)
      : role_(std::move(role)), version_(std::move(version)) {}

  void AddPeer(const std::string& name, const Address& address) {
    peers_[name] = std::make_unique<Client>(address);
  }

  Response Answer(const Request& request);

 private:
  Response Gateway(const Request& request);
  Response Ask(const Request& origin, const std::string& peer, const std::string& method,
               const std::string& target);

  const std::string role_;
  const std::string version_;
  std::map<std::string, std::unique_ptr<Client>> peers_;
  Lab lab_;
};

Response Text(int status, std::string body) {
  return {status, {{"content-type", "text/plain"}}, std::move(body)};
}

// The number after `prefix` in the target, or -1.
int64_t Number(const std::string& target, std::string_view prefix) {
  if (target.compare(0, prefix.size(), prefix) != 0 || target.size() == prefix.size()) return -1;
  return std::atoll(target.c_str() + prefix.size());
}

// Calls a peer on behalf of a request, whose trace it carries on. A failed call reads as 502.
Response Service::Ask(const Request& origin, const std::string& peer, const std::string& method,
                      const std::string& target) {
  Request request{method, target, {{"host", peer}}, method == "POST" ? origin.body : ""};
  for (const char* name : {"traceparent", "tracestate", "x-request-id", "authorization"}) {
    const auto found = origin.headers.find(name);
    if (found != origin.headers.end()) request.headers.insert(*found);
  }
  const auto found = peers_.find(peer);
  if (found == peers_.end())
    return Text(502, "gateway was not told where " + peer + " is: give --peer");
  std::optional<Response> response = found->second->Call(request);
  return response ? *response : Text(502, "no answer from " + peer);
}

Response Service::Gateway(const Request& request) {
  static constexpr struct {
    const char* method;
    const char* prefix;
    const char* peer;
    const char* target;
  } kRoutes[] = {
      {"GET", "/blog/", "post", "/posts/"},
      {"POST", "/blog", "post", "/posts"},
      {"GET", "/image/", "image", "/images/"},
      {"POST", "/pay", "payment", "/payments"},
  };
  for (const auto& route : kRoutes) {
    const std::string_view prefix = route.prefix;
    if (request.method != route.method || request.target.compare(0, prefix.size(), prefix) != 0)
      continue;
    const Response who = Ask(request, "auth", "GET", "/verify");
    if (who.status != 200) return who;
    Response goods =
        Ask(request, route.peer, route.method, route.target + request.target.substr(prefix.size()));
    goods.headers.erase("content-length");
    goods.headers.erase("transfer-encoding");
    goods.headers.erase("connection");
    goods.headers["x-user"] = who.body;
    // Who was seen as the caller at each hop, for those who check the mesh.
    const auto verified = who.headers.find("x-caller");
    if (verified != who.headers.end()) goods.headers["x-caller-of-auth"] = verified->second;
    const auto caller = request.headers.find("x-forwarded-client-cert");
    if (caller != request.headers.end()) goods.headers["x-caller-of-gateway"] = caller->second;
    return goods;
  }
  return Text(404, "the gateway knows /blog, /image and /pay");
}

Response Service::Answer(const Request& request) {
  if (role_ == "gateway") return Gateway(request);
  if (role_ == "lab") return lab_.Answer(request);
  Response response = Text(404, role_ + " does not know " + request.target);
  if (role_ == "auth" && request.target == "/verify") {
    const auto token = request.headers.find("authorization");
    response = token == request.headers.end() ? Text(401, "no authorization")
                                              : Text(200, "user of " + token->second);
  } else if (role_ == "post" && request.method == "GET" && Number(request.target, "/posts/") >= 0) {
    response = Text(200, PostText(static_cast<uint64_t>(Number(request.target, "/posts/"))));
  } else if (role_ == "image" && Number(request.target, "/images/") >= 0) {
    response = {200,
                {{"content-type", "image/png"}},
                Image(static_cast<uint64_t>(Number(request.target, "/images/")))};
  } else if (request.method == "POST" &&
             (request.target == "/posts" || request.target == "/payments")) {
    response = Text(200, Receipt(request.body));
  }
  response.headers["x-served-by"] = role_ + "-" + version_;
  // What this service was told of its caller.
  const auto caller = request.headers.find("x-forwarded-client-cert");
  if (caller != request.headers.end()) response.headers["x-caller"] = caller->second;
  return response;
}

void Serve(Service* service, int descriptor) {
  Wire wire(descriptor);
  Request request;
  while (wire.ReadRequest(&request)) {
    if (!wire.Send(Format(service->Answer(request)))) return;
    request = {};
  }
}

int Run(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: service ROLE PORT [--version V] [--peer NAME=HOST:PORT]...\n");
    return 2;
  }
  std::string version = "v1";
  bool everywhere = false;
  std::map<std::string, Address> peers;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const std::string value = argv[i + 1];
    const size_t equals = value.find('=');
    const auto address =
        equals == std::string::npos ? std::nullopt : ParseAddress(value.substr(equals + 1));
    if (option == "--version") {
      version = value;
    } else if (option == "--listen" && value == "everywhere") {
      everywhere = true;
    } else if (option == "--peer" && address) {
      peers[value.substr(0, equals)] = *address;
    } else {
      std::fprintf(stderr,
                   "%s %s: expected --version V, --peer NAME=HOST:PORT or --listen everywhere\n",
                   argv[i], argv[i + 1]);
      return 2;
    }
  }
  Service service(argv[1], version);
  for (const auto& [name, address] : peers) service.AddPeer(name, address);
  std::signal(SIGPIPE, SIG_IGN);
  const int listener = Listen(static_cast<uint16_t>(std::atoi(argv[2])), everywhere);
  for (;;) {
    const int descriptor = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) std::thread(Serve, &service, descriptor).detach();
  }
}

}  // namespace
}  // namespace tulle::shop

int main(int argc, char** argv) { return tulle::shop::Run(argc, argv); }
