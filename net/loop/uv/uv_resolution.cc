// Host name lookups on libuv's threads that can be cancelled.
#include "net/loop/uv/uv_resolution.h"

#include <netdb.h>

#include <string>
#include <utility>

namespace tulle::loop {
namespace {

// The part that outlives a cancelled lookup: libuv writes to it until its thread is done.
struct LookUp {
  uv_getaddrinfo_t request;
  std::string host;
  uint16_t port;
  Loop::Resolved done;  // empty once cancelled
};

// Owned together by the lookup and the answering thread; the last one frees it.
class UvResolution final : public Loop::Resolution {
 public:
  explicit UvResolution(std::shared_ptr<LookUp> look_up) : look_up_(std::move(look_up)) {}
  ~UvResolution() override {
    look_up_->done = nullptr;
    // Fails if the thread has begun; the answer is then dropped.
    if (look_up_->request.data != nullptr) {
      uv_cancel(reinterpret_cast<uv_req_t*>(&look_up_->request));
    }
  }

 private:
  std::shared_ptr<LookUp> look_up_;
};

std::vector<SocketAddress> Addresses(const addrinfo* list, uint16_t port) {
  std::vector<SocketAddress> addresses;
  for (; list != nullptr; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    addresses.push_back(SocketAddress::FromSockaddr(list->ai_addr).WithPort(port));
  }
  return addresses;
}

void Answer(LookUp& look_up, std::vector<SocketAddress> addresses, std::string error) {
  Loop::Resolved done = std::exchange(look_up.done, nullptr);
  if (done) done(std::move(addresses), std::move(error));
}

void AnswerLater(Loop& loop, std::shared_ptr<LookUp> look_up, std::vector<SocketAddress> addresses,
                 std::string error) {
  loop.Post([look_up, addresses = std::move(addresses), error = std::move(error)]() mutable {
    Answer(*look_up, std::move(addresses), std::move(error));
  });
}

std::string Explain(const LookUp& look_up, int status) {
  return "cannot resolve host name '" + look_up.host + "': " + uv_strerror(status) +
         "; check the name and this host's DNS configuration";
}

void OnAnswer(uv_getaddrinfo_t* request, int status, addrinfo* list) {
  std::unique_ptr<std::shared_ptr<LookUp>> held(
      static_cast<std::shared_ptr<LookUp>*>(request->data));
  LookUp& look_up = **held;
  request->data = nullptr;
  std::vector<SocketAddress> addresses = Addresses(list, look_up.port);
  uv_freeaddrinfo(list);
  std::string error;
  if (addresses.empty()) error = Explain(look_up, status == 0 ? UV_EAI_NODATA : status);
  Answer(look_up, std::move(addresses), std::move(error));
}

}  // namespace

std::unique_ptr<Loop::Resolution> ResolveWithUv(uv_loop_t& uv, Loop& loop, std::string_view host,
                                                uint16_t port, Loop::Resolved done) {
  auto look_up = std::make_shared<LookUp>();
  look_up->request.data = nullptr;
  look_up->host = host;
  look_up->port = port;
  look_up->done = std::move(done);
  auto resolution = std::make_unique<UvResolution>(look_up);
  if (auto literal = SocketAddress::Parse(host, port)) {
    AnswerLater(loop, look_up, {*literal}, "");
    return resolution;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  const int status =
      uv_getaddrinfo(&uv, &look_up->request, &OnAnswer, look_up->host.c_str(), nullptr, &hints);
  if (status != 0) {
    AnswerLater(loop, look_up, {}, Explain(*look_up, status));
  } else {
    look_up->request.data = new std::shared_ptr<LookUp>(look_up);
  }
  return resolution;
}

}  // namespace tulle::loop
