// What an operator decides about an installation. Plain values; the chart (chart.h) puts its own
// expressions in their place, so they are all texts.
#pragma once

#include <cstdint>
#include <string>

#include "k8s/inject/settings.h"

namespace tulle::install {

// The control plane, its account and its objects have these names in every installation: sidecars
// and certificates depend on them.
inline constexpr char kNamespace[] = "tulle-system";
inline constexpr char kControl[] = "tulle-control";
// Accounts without rights of their own: who may request a token of one of them may read at the REST
// API of the control plane, or do everything there.
inline constexpr char kViewer[] = "tulle-viewer";
inline constexpr char kAdmin[] = "tulle-admin";
inline constexpr int kApiPort = 15016;
// How the API server's proxy of Services names the REST API.
inline constexpr char kApiProxy[] = "https:tulle-control:https-api";

struct Settings {
  std::string control_image = std::string("tulle-control:") + telemetry::kVersion;
  std::string sidecar_image = inject::Settings().sidecar_image;
  std::string init_image = inject::Settings().init_image;
  std::string cni_image = std::string("tulle-cni:") + telemetry::kVersion;
  std::string image_pull_policy = "IfNotPresent";
  std::string replicas = "1";
  std::string trust_domain = "cluster.local";
  std::string log_level = "info";
  std::string cpu = "50m";  // requests
  std::string memory = "64Mi";
  std::string monitoring_namespace = "monitoring";  // whose pods may read metrics
  // "true": the CNI plugin redirects pods, none needs NET_ADMIN.
  std::string cni = "false";
  std::string cni_conf_dir = "/etc/cni/net.d";  // on the nodes
  std::string cni_bin_dir = "/opt/cni/bin";
};

}  // namespace tulle::install
