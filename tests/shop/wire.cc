#include "tests/shop/wire.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace tulle::shop {
namespace {

constexpr size_t kMaxLine = 64 << 10;
constexpr size_t kMaxIdle = 64;

sockaddr_in Loopback(const Address& address) {
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  socket_address.sin_port = htons(address.port);
  inet_pton(AF_INET, address.host.c_str(), &socket_address.sin_addr);
  return socket_address;
}

void SetOptions(int descriptor) {
  const int one = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const timeval limit{10, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

std::optional<size_t> ParseSize(std::string_view text, int base) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view Reason(int status) { return status < 400 ? "OK" : "Failed"; }

void AppendHeaders(const Headers& headers, size_t body_size, std::string* out) {
  for (const auto& [name, value] : headers) *out += name + ": " + value + "\r\n";
  *out += "content-length: " + std::to_string(body_size) + "\r\n\r\n";
}

bool WantsClose(const Headers& headers) {
  const auto found = headers.find("connection");
  return found != headers.end() && found->second.find("close") != std::string::npos;
}

}  // namespace

std::optional<Address> ParseAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const auto port = ParseSize(text.substr(colon + 1), 10);
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return Address{std::string(text.substr(0, colon)), static_cast<uint16_t>(*port)};
}

Wire::~Wire() { close(descriptor_); }

std::unique_ptr<Wire> Wire::Dial(const Address& address) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return nullptr;
  const sockaddr_in target = Loopback(address);
  SetOptions(descriptor);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) {
    close(descriptor);
    return nullptr;
  }
  return std::make_unique<Wire>(descriptor);
}

bool Wire::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool Wire::ReadRequest(Request* request) {
  std::string line;
  if (!ReadHead(&line, &request->headers)) return false;
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string::npos || first == last) return false;
  request->method = line.substr(0, first);
  request->target = line.substr(first + 1, last - first - 1);
  return ReadBody(request->headers, &request->body);
}

bool Wire::ReadResponse(Response* response) {
  do {
    std::string line;
    response->headers.clear();
    if (!ReadHead(&line, &response->headers) || line.size() < 12 ||
        line.compare(0, 9, "HTTP/1.1 ") != 0)
      return false;
    response->status = std::atoi(line.c_str() + 9);
  } while (response->status / 100 == 1);
  return ReadBody(response->headers, &response->body);
}

bool Wire::IsIdle() const {
  pollfd ready{descriptor_, POLLIN | POLLRDHUP, 0};
  return unread_.empty() && poll(&ready, 1, 0) == 0;
}

bool Wire::ReadHead(std::string* start_line, Headers* headers) {
  if (!ReadLine(start_line)) return false;
  std::string line;
  while (ReadLine(&line)) {
    if (line.empty()) return true;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) return false;
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    size_t value = colon + 1;
    while (value < line.size() && line[value] == ' ') ++value;
    (*headers)[name] = line.substr(value);
  }
  return false;
}

bool Wire::ReadBody(const Headers& headers, std::string* body) {
  body->clear();
  if (headers.count("transfer-encoding") != 0) return ReadChunks(body);
  const auto length = headers.find("content-length");
  if (length == headers.end()) return true;
  const auto size = ParseSize(length->second, 10);
  return size && ReadExactly(*size, body);
}

bool Wire::ReadChunks(std::string* body) {
  std::string line;
  while (ReadLine(&line)) {
    const auto size = ParseSize(line.substr(0, line.find(';')), 16);
    if (!size) return false;
    if (*size == 0) {
      while (ReadLine(&line)) {
        if (line.empty()) return true;
      }
      return false;
    }
    if (!ReadExactly(*size, body) || !ReadLine(&line) || !line.empty()) return false;
  }
  return false;
}

bool Wire::ReadLine(std::string* line) {
  size_t end;
  while ((end = unread_.find("\r\n")) == std::string::npos) {
    if (unread_.size() > kMaxLine || !Fill()) return false;
  }
  *line = unread_.substr(0, end);
  unread_.erase(0, end + 2);
  return true;
}

bool Wire::ReadExactly(size_t size, std::string* body) {
  while (unread_.size() < size) {
    if (!Fill()) return false;
  }
  body->append(unread_, 0, size);
  unread_.erase(0, size);
  return true;
}

bool Wire::Fill() {
  char bytes[64 << 10];
  const ssize_t size = recv(descriptor_, bytes, sizeof bytes, 0);
  if (size <= 0) return false;
  unread_.append(bytes, static_cast<size_t>(size));
  return true;
}

std::string Format(const Request& request) {
  std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
  AppendHeaders(request.headers, request.body.size(), &out);
  return out + request.body;
}

std::string Format(const Response& response) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out += Reason(response.status);
  out += "\r\n";
  AppendHeaders(response.headers, response.body.size(), &out);
  return out + response.body;
}

std::unique_ptr<Wire> Client::Take() {
  const std::lock_guard lock(mutex_);
  while (!idle_.empty()) {
    std::unique_ptr<Wire> wire = std::move(idle_.back());
    idle_.pop_back();
    if (wire->IsIdle()) return wire;
  }
  return nullptr;
}

std::optional<Response> Client::Call(const Request& request) {
  std::unique_ptr<Wire> wire = Take();
  if (!wire) wire = Wire::Dial(address_);
  Response response;
  if (!wire || !wire->Send(Format(request)) || !wire->ReadResponse(&response)) return std::nullopt;
  if (!WantsClose(response.headers)) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(wire));
  }
  return response;
}

int Listen(uint16_t port, bool everywhere) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const sockaddr_in address = Loopback({everywhere ? "0.0.0.0" : "127.0.0.1", port});
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(descriptor, 1024) != 0) {
    std::fprintf(stderr, "port %u is taken: choose another\n", port);
    std::exit(1);
  }
  return descriptor;
}

}  // namespace tulle::shop
