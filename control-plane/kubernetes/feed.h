// One resource of the cluster, listed and watched. What goes wrong is logged. Owner: Source or
// PolicyFeeds; destroy it outside of its events. Thread: the loop's.
#pragma once

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/absence.h"
#include "control-plane/kubernetes/problem_log.h"
#include "k8s/api/client.h"
#include "k8s/api/reflector.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::kubernetes {

class Feed final : private k8s::ReflectorEvents {
 public:
  struct Events {
    std::function<void(const k8s::ObjectKey&, const k8s::Json&)> put;
    std::function<void(const k8s::ObjectKey&)> remove;
    std::function<void()> on_change;   // after each of these
    std::function<void()> on_settled;  // synced, or refused; may be told again
  };
  // References outlive this.
  Feed(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, k8s::Resource resource,
       Events events)
      : loop_(loop),
        events_(std::move(events)),
        problems_(loop, log, telemetry::LogComponent::kRegistry),
        reflector_(loop, client, std::move(resource), {}, *this) {}

  void Start() { reflector_.Start(); }
  bool synced() const { return reflector_.synced(); }
  // The server has none of it, or does not let us list it, and this is not because it has just
  // started.
  bool refused() const { return is_refused_; }

 private:
  void OnUpsert(const k8s::ObjectKey& key, const k8s::Json& object) override {
    events_.put(key, object);
    events_.on_change();
  }
  void OnDelete(const k8s::ObjectKey& key) override {
    events_.remove(key);
    events_.on_change();
  }
  void OnSynced() override {
    is_refused_ = false;
    events_.on_settled();
  }
  void OnProblem(const std::string& text) override {
    problems_.Report(absl::StrCat("Kubernetes: ", text));
    if (is_refused_ || !reflector_.refused() || !absence_.Confirm(loop_.Now())) return;
    is_refused_ = true;
    events_.on_settled();
  }

  loop::Loop& loop_;
  const Events events_;
  ProblemLog problems_;
  k8s::Reflector reflector_;
  Absence absence_;
  bool is_refused_ = false;
};

}  // namespace tulle::kubernetes
