// What an installation puts into each pod. Plain values; the defaults are those of `tullectl
// install`.
#pragma once

#include <string>
#include <string_view>

#include "telemetry/version.h"

namespace tulle::inject {

inline constexpr std::string_view kInitName = "tulle-init";
inline constexpr std::string_view kSidecarName = "tulle-sidecar";
inline constexpr std::string_view kPrefix = "tulle.dev/";
// Label of a namespace (enabled) and of a pod (enabled or disabled, which wins).
inline constexpr std::string_view kInjectLabel = "tulle.dev/inject";
// Set by the injection, for the control plane, which sees only the metadata of pods.
inline constexpr std::string_view kMeshedLabel = "tulle.dev/meshed";
inline constexpr std::string_view kAccountAnnotation = "tulle.dev/service-account";
// Set by the injection, for the CNI plugin: kByCni, or absent.
inline constexpr std::string_view kRedirectionAnnotation = "tulle.dev/redirection";
inline constexpr std::string_view kByCni = "cni";

inline constexpr int kHealthPort = 15021;
inline constexpr int kMetricsPort = 15090;
inline constexpr int kSidecarUid = 1337;
// Of the container that verifies the redirection: neither root nor the sidecar.
inline constexpr int kVerifierUid = 65534;
// Where the sidecar reads the application's own probes. Format: app_probes.h of sidecar/process.
inline constexpr std::string_view kProbesVariable = "TULLE_APP_PROBES";

struct Settings {
  std::string sidecar_image = std::string("tulle-sidecar:") + telemetry::kVersion;
  std::string init_image = std::string("tulle-init:") + telemetry::kVersion;
  std::string image_pull_policy;  // empty: Kubernetes' default
  std::string control = "tulle-control.tulle-system.svc:15012";
  std::string mesh_namespace = "tulle-system";  // never injected
  std::string audience = "tulle";
  std::string roots_config_map = "tulle-ca-root-cert";  // in each namespace; key root-cert.pem
  std::string log_level = "info";
  std::string cpu = "10m";
  std::string memory = "16Mi";
  std::string cpu_limit;  // empty: none
  std::string memory_limit = "256Mi";
  bool cni = false;  // the CNI plugin redirects connections, the init container only verifies it
};

}  // namespace tulle::inject
