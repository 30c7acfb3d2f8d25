// Blocking HTTP/1.1 for the shop's services and its load client: as plain as an application's own
// client, and unaware of any proxy. One connection is used by one thread at a time. Bodies are held
// whole.
#ifndef TESTS_SHOP_WIRE_H_
#define TESTS_SHOP_WIRE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tulle::shop {

// Header names are in lower case.
using Headers = std::map<std::string, std::string, std::less<>>;

struct Request {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

struct Address {
  std::string host;
  uint16_t port = 0;
};

// "127.0.0.1:80"; nothing if it is not of that form.
std::optional<Address> ParseAddress(std::string_view text);

// A connected socket and what was read from it but not yet used. Reads and writes give up after ten
// seconds.
class Wire {
 public:
  explicit Wire(int descriptor) : descriptor_(descriptor) {}
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  // Null when the connection is refused.
  static std::unique_ptr<Wire> Dial(const Address& address);

  bool Send(std::string_view bytes);
  // False at the end of the connection, or when what comes is not HTTP/1.1.
  bool ReadRequest(Request* request);
  bool ReadResponse(Response* response);
  // False once the other side has closed, or has sent what nobody asked for.
  bool IsIdle() const;

 private:
  bool ReadHead(std::string* start_line, Headers* headers);
  bool ReadBody(const Headers& headers, std::string* body);
  bool ReadChunks(std::string* body);
  bool ReadLine(std::string* line);
  bool ReadExactly(size_t size, std::string* body);
  bool Fill();

  int descriptor_;
  std::string unread_;
};

std::string Format(const Request& request);
std::string Format(const Response& response);

// Keeps connections to one address for later calls.
class Client {
 public:
  explicit Client(Address address) : address_(std::move(address)) {}

  // Sends once, never again: nothing when the exchange fails.
  std::optional<Response> Call(const Request& request);

 private:
  std::unique_ptr<Wire> Take();

  const Address address_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Wire>> idle_;
};

// A listening socket on loopback, or on all addresses; port 0 takes a free one. The process ends
// with a message if the port is taken.
int Listen(uint16_t port, bool everywhere = false);

}  // namespace tulle::shop

#endif  // TESTS_SHOP_WIRE_H_
