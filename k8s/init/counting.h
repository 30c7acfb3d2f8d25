// A rule that counts one connection at the position of the rule that redirects it, because on a
// busy host other connections constantly increase the redirecting rule's own counter. Pure. The
// rule does not affect the connection. It is in one of our chains, so leftovers of an interrupted
// check are removed by the next run or removal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tulle::init {

struct Connection {
  std::string address;  // that is dialled
  uint16_t port = 0;
  uint16_t from = 0;  // the caller's port
};

class Counting {
 public:
  // Empty: in `saved` (output of iptables-save -t nat) no rule of ours redirects to `sidecar_port`.
  static std::optional<Counting> Of(const Connection& connection, uint16_t sidecar_port,
                                    std::string_view saved);

  // Input of iptables-restore --noflush.
  std::string Begin() const;
  std::string End() const;
  // Whether the connection passed, according to iptables-save -c between the two.
  bool HasSeenIt(std::string_view saved) const;

 private:
  Counting(std::string_view chain, size_t place, const Connection& connection);

  std::string chain_;
  size_t place_;  // from 1
  std::string ports_;
  std::string rule_;
};

}  // namespace tulle::init
