// Routes and addresses by rtnetlink.
#include "k8s/init/network.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tulle::init {
namespace {

constexpr char kOwnSource6[] = "::6";
// Marks our route, so that removal deletes no other. See /etc/iproute2/rt_protos: unused there.
constexpr unsigned char kOwnProtocol = 137;

class Socket {
 public:
  Socket(int family, int type, int protocol)
      : descriptor_(socket(family, type | SOCK_CLOEXEC, protocol)) {}
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// One rtnetlink request with its attributes.
class Request {
 public:
  template <typename Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    header_.nlmsg_type = type;
    header_.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    Append(&body, sizeof(body));
  }

  void Add(uint16_t type, const void* value, size_t size) {
    rtattr attribute{};
    attribute.rta_type = type;
    attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    Append(&attribute, sizeof(attribute));
    Append(value, size);
  }

  // 0 or an errno.
  int Send() {
    const Socket netlink(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (netlink.descriptor() < 0) return errno;
    header_.nlmsg_len = static_cast<uint32_t>(sizeof(header_) + payload_.size());
    std::string message(reinterpret_cast<const char*>(&header_), sizeof(header_));
    message += payload_;
    if (send(netlink.descriptor(), message.data(), message.size(), 0) < 0) return errno;
    char answer[1024];
    const ssize_t size = recv(netlink.descriptor(), answer, sizeof(answer), 0);
    if (size < 0) return errno;
    nlmsghdr header{};
    nlmsgerr error{};
    if (static_cast<size_t>(size) < NLMSG_LENGTH(sizeof(error))) return EPROTO;
    std::memcpy(&header, answer, sizeof(header));
    std::memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
    return header.nlmsg_type == NLMSG_ERROR ? -error.error : EPROTO;
  }

 private:
  void Append(const void* bytes, size_t size) {
    payload_.append(static_cast<const char*>(bytes), size);
    payload_.resize(NLMSG_ALIGN(payload_.size()), 0);
  }

  nlmsghdr header_{};
  std::string payload_;
};

absl::Status ErrorOf(const std::string& what, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": ", std::strerror(error),
                   error == EPERM ? "; run as root, in a pod with the capability NET_ADMIN" : ""));
}

int LoopbackIndex() { return static_cast<int>(if_nametoindex("lo")); }

int ChangeRoute(const std::string& range, uint16_t type, uint16_t flags) {
  const size_t slash = range.find('/');
  in_addr to{};
  if (inet_pton(AF_INET, range.substr(0, slash).c_str(), &to) != 1) return EINVAL;
  int bits = 32;
  if (slash != std::string::npos && !absl::SimpleAtoi(range.substr(slash + 1), &bits))
    return EINVAL;
  rtmsg route{};
  route.rtm_family = AF_INET;
  route.rtm_dst_len = static_cast<unsigned char>(bits);
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = kOwnProtocol;
  route.rtm_scope = RT_SCOPE_LINK;
  route.rtm_type = RTN_UNICAST;
  Request request(type, flags, route);
  const int index = LoopbackIndex();
  const in_addr source{htonl(INADDR_LOOPBACK)};
  request.Add(RTA_DST, &to, sizeof(to));
  request.Add(RTA_OIF, &index, sizeof(index));
  request.Add(RTA_PREFSRC, &source, sizeof(source));
  return request.Send();
}

int ChangeAddress6(uint16_t type, uint16_t flags) {
  in6_addr address{};
  inet_pton(AF_INET6, kOwnSource6, &address);
  ifaddrmsg own{};
  own.ifa_family = AF_INET6;
  own.ifa_prefixlen = 128;
  own.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;
  own.ifa_scope = RT_SCOPE_HOST;
  own.ifa_index = static_cast<uint32_t>(LoopbackIndex());
  Request request(type, flags, own);
  request.Add(IFA_LOCAL, &address, sizeof(address));
  request.Add(IFA_ADDRESS, &address, sizeof(address));
  return request.Send();
}

// Like `ip route get`: connecting a datagram socket sends no packet.
bool IsReachable(const std::string& range) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  if (inet_pton(AF_INET, range.substr(0, range.find('/')).c_str(), &to.sin_addr) != 1) return false;
  to.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) | 1);
  const Socket probe(AF_INET, SOCK_DGRAM, 0);
  return connect(probe.descriptor(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
}

}  // namespace

bool HasIpv6() {
  const Socket probe(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  return probe.descriptor() >= 0 &&
         bind(probe.descriptor(), reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback)) == 0;
}

std::optional<std::string> OwnAddress(Family family) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return std::nullopt;
  std::optional<std::string> found;
  const int wanted = family == Family::kV4 ? AF_INET : AF_INET6;
  for (const ifaddrs* each = list; each != nullptr && !found; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != wanted) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0) continue;
    char text[INET6_ADDRSTRLEN];
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    // A link-local address is not usable as a destination without its scope.
    if (family == Family::kV6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) continue;
    const void* bytes = family == Family::kV4 ? static_cast<const void*>(&v4->sin_addr)
                                              : static_cast<const void*>(&v6->sin6_addr);
    if (inet_ntop(wanted, bytes, text, sizeof(text)) != nullptr) found = text;
  }
  freeifaddrs(list);
  return found;
}

absl::Status BringLoopbackUp() {
  const Socket any(AF_INET, SOCK_DGRAM, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  if (ioctl(any.descriptor(), SIOCGIFFLAGS, &request) != 0) return ErrorOf("lo", errno);
  if ((request.ifr_flags & IFF_UP) != 0) return absl::OkStatus();
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(any.descriptor(), SIOCSIFFLAGS, &request) != 0) return ErrorOf("bringing lo up", errno);
  return absl::OkStatus();
}

absl::StatusOr<bool> AddRouteToLoopback(const std::string& range) {
  if (IsReachable(range)) return false;
  const int error = ChangeRoute(range, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  if (error != 0) return ErrorOf(absl::StrCat("adding the route ", range, " dev lo"), error);
  return true;
}

absl::Status RemoveRouteToLoopback(const std::string& range) {
  const int error = ChangeRoute(range, RTM_DELROUTE, 0);
  if (error == 0 || error == ESRCH || error == ENOENT) return absl::OkStatus();
  return ErrorOf(absl::StrCat("removing the route ", range, " dev lo"), error);
}

absl::Status AddOwnSource6() {
  const int error = ChangeAddress6(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  if (error == 0 || error == EEXIST) return absl::OkStatus();
  return ErrorOf("adding the address ::6/128 to lo", error);
}

absl::Status RemoveOwnSource6() {
  const int error = ChangeAddress6(RTM_DELADDR, 0);
  if (error == 0 || error == EADDRNOTAVAIL || error == ENOENT) return absl::OkStatus();
  return ErrorOf("removing the address ::6/128 from lo", error);
}

}  // namespace tulle::init
