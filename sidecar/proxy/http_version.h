#pragma once

#include "net/http/head.h"
#include "sidecar/proxy/tunnel.h"
#include "sidecar/upstream/cluster_spec.h"
#include "sidecar/upstream/connection_pool.h"

namespace tulle::proxy {

// The version that a request is sent in to an endpoint of this cluster.
inline upstream::HttpVersion VersionFor(const upstream::ClusterSpec& cluster,
                                        const http::Head& head) {
  // The payload of a tunnel follows the handshake at once.
  if (IsConnect(head)) return upstream::HttpVersion::k1;
  const bool http2 = cluster.http == upstream::HttpChoice::kHttp2 ||
                     (cluster.http == upstream::HttpChoice::kAsDownstream &&
                      head.version == http::Version::kHttp2);
  return http2 ? upstream::HttpVersion::k2 : upstream::HttpVersion::k1;
}

}  // namespace tulle::proxy
