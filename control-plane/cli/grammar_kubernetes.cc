#include "control-plane/cli/grammar.h"

namespace tulle::cli {

void Grammar::AddInjection() {
  CLI::App& inject =
      Add(app_, "inject", "Add the sidecar to Kubernetes manifests, without a server",
          "  tullectl inject -f shop.yaml | kubectl apply -f -\n"
          "  kubectl get deployment web -o yaml | tullectl inject -f -\n\n"
          "The namespace needs the label too: tulle-control writes the roots of the mesh\n"
          "there.\n"
          "  kubectl label namespace shop tulle.dev/inject=enabled",
          Command::kInject);
  TakeFiles(inject)->required();
  install::Settings& settings = invocation_.installation;
  inject.add_option("--sidecar-image", settings.sidecar_image, "image of the sidecar")
      ->type_name("IMAGE")
      ->capture_default_str();
  inject.add_option("--init-image", settings.init_image, "image of tulle-init")
      ->type_name("IMAGE")
      ->capture_default_str();
  inject.add_flag("--cni", invocation_.cni, "for clusters with the CNI plugin tulle-cni");
  TakeNamespace(inject, false);
}

void Grammar::AddInstallation() {
  CLI::App& install =
      Add(app_, "install", "Install Tulle in a Kubernetes cluster, or print its objects",
          "  tullectl check --pre && tullectl install --apply\n"
          "  tullectl install | kubectl apply --server-side -f -\n"
          "  tullectl install --control-image registry.example/control:1 \\\n"
          "      --sidecar-image registry.example/sidecar:1 \\\n"
          "      --init-image registry.example/init:1 > tulle.yaml\n"
          "  tullectl install --cni    # no pod needs NET_ADMIN\n"
          "  tullectl install --chart tulle\n"
          "  helm install tulle ./tulle -n tulle-system --create-namespace\n\n"
          "Then: tullectl check; kubectl label namespace NAME tulle.dev/inject=enabled, and\n"
          "restart its workloads, so that their pods get a sidecar.",
          Command::kInstall);
  install::Settings& settings = invocation_.installation;
  const auto text = [&](const char* name, std::string* value, const char* help, const char* type) {
    install.add_option(name, *value, help)->type_name(type)->capture_default_str();
  };
  text("--control-image", &settings.control_image, "image of the control plane", "IMAGE");
  text("--sidecar-image", &settings.sidecar_image, "image of the sidecar", "IMAGE");
  text("--init-image", &settings.init_image, "image of tulle-init", "IMAGE");
  TakeCni(install, "install the CNI plugin too, so that injected pods need no capability");
  TakeWord(install, "--image-pull-policy", &settings.image_pull_policy,
           {"Always", "IfNotPresent", "Never"}, "policy",
           "when to pull the images of the control plane and the CNI plugin [IfNotPresent]")
      ->type_name("POLICY");
  TakeNumber(install, "--replicas", &invocation_.replicas, 1, 100, "count",
             "replicas of the control plane [1]")
      ->type_name("COUNT");
  text("--trust-domain", &settings.trust_domain, "trust domain of identities", "NAME");
  text("--monitoring-namespace", &settings.monitoring_namespace,
       "namespace whose pods may read the metrics of the control plane", "NAME");
  TakeWord(install, "--log-level", &settings.log_level,
           {"trace", "debug", "info", "warning", "error", "off"}, "level",
           "log level of the control plane [info]")
      ->type_name("LEVEL");
  install.add_flag("--skip-crds", invocation_.skip_crds,
                   "without the definitions of policies, to go back to an older version");
  TakeApply(install);
  install
      .add_option("--chart", invocation_.chart,
                  "write a Helm chart to this new folder instead, with these flags as its values")
      ->type_name("FOLDER");

  CLI::App& uninstall =
      Add(app_, "uninstall", "Delete Tulle from a Kubernetes cluster, or print its objects",
          "  tullectl uninstall --apply                   # policies too; asks first\n"
          "  tullectl uninstall | kubectl delete -f -     # the same\n"
          "  tullectl uninstall --cni | kubectl apply --server-side -f -\n"
          "  kubectl -n tulle-cni rollout status daemonset/tulle-cni\n"
          "  kubectl delete namespace tulle-cni\n\n"
          "First remove the label tulle.dev/inject from namespaces and restart their\n"
          "workloads: sidecars that still run cannot renew their certificates.",
          Command::kUninstall);
  TakeCni(uninstall, "print the objects that remove the CNI plugin from the nodes, to apply them");
  CLI::Option* apply =
      uninstall.add_flag("--apply", invocation_.apply, "delete the objects, after a question");
  apply->excludes("--cni");
  uninstall.add_flag("--yes", invocation_.yes, "with --apply: do not ask")->needs(apply);
}

void Grammar::TakeApply(CLI::App& install) {
  install.add_flag("--apply", invocation_.apply,
                   "apply the objects to the cluster, and wait until the control plane is ready");
  TakeNumber(install, "--wait", &invocation_.wait_seconds, 0, 3600, "number of seconds",
             "with --apply: how long to wait at most [180]")
      ->type_name("SECONDS");
}

void Grammar::TakeCni(CLI::App& command, const char* help) {
  command.add_flag("--cni", invocation_.cni, help);
  install::Settings& settings = invocation_.installation;
  const auto text = [&](const char* name, std::string* value, const char* what, const char* type) {
    command.add_option(name, *value, what)->type_name(type)->capture_default_str();
  };
  text("--cni-image", &settings.cni_image, "image of the CNI plugin", "IMAGE");
  text("--cni-conf-dir", &settings.cni_conf_dir, "folder of CNI configurations on nodes", "FOLDER");
  text("--cni-bin-dir", &settings.cni_bin_dir, "folder of CNI plugins on nodes", "FOLDER");
}

}  // namespace tulle::cli
