// A rule that counts one connection where it meets the rule which redirects it: a busy host's other
// connections raise the redirecting rule's own counter all the time. Pure. It decides nothing about
// the connection, and stands in a chain of ours: what an interrupted check leaves behind goes with
// the next run or removal.
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
  // Nothing: in `saved` (what iptables-save -t nat says) no rule of ours redirects to
  // `sidecar_port`.
  static std::optional<Counting> Of(const Connection& connection, uint16_t sidecar_port,
                                    std::string_view saved);

  // Input of iptables-restore --noflush.
  std::string Begin() const;
  std::string End() const;
  // Whether the connection has come by, in what iptables-save -c says between the two.
  bool HasSeenIt(std::string_view saved) const;

 private:
  Counting(std::string_view chain, size_t place, const Connection& connection);

  std::string chain_;
  size_t place_;  // from 1
  std::string ports_;
  std::string rule_;
};

}  // namespace tulle::init
