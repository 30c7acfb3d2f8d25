// Notices a certificate that two processes use at the same time: a sidecar keeps its key to itself,
// so somebody has a copy. Owner: XdsSource. Thread: the loop's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tulle::server {

class CertificateUses {
 public:
  struct Use {
    std::string node;
    std::string host;  // address without the port
  };

  // A node has connected. Returns the use of the same certificate by another node, or by the same
  // one from another host, that has not disconnected.
  std::optional<Use> OnConnected(const std::string& certificate_sha256, Use use) {
    const auto [entry, is_new] = uses_.try_emplace(KeyOf(certificate_sha256), use);
    if (is_new) return std::nullopt;
    Use former = std::exchange(entry->second, use);
    if (former.node == use.node && former.host == use.host) return std::nullopt;
    return former;
  }

  void OnDisconnected(const std::string& certificate_sha256, std::string_view node) {
    const auto entry = uses_.find(KeyOf(certificate_sha256));
    if (entry != uses_.end() && entry->second.node == node) uses_.erase(entry);
  }

 private:
  // As much of the hash as is certainly unique among the certificates of one mesh.
  static std::string KeyOf(const std::string& sha256) { return sha256.substr(0, 15); }

  std::map<std::string, Use> uses_;
};

}  // namespace tulle::server
