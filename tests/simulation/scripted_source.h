#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>

#include "control-plane/discovery/mesh_source.h"
#include "net/loop/loop.h"

namespace tulle::simulation {

// A source of workloads beside the registry: workloads that never registered come and go as the
// test says. What it has reported stays when it is destroyed, like that of any source that is
// disconnected.
// Owner: a test; the sink and the loop outlive it. Thread: the loop's.
class ScriptedSource {
 public:
  ScriptedSource(loop::Loop& loop, discovery::MeshSink& mesh) : loop_(loop), mesh_(mesh) {}

  void PutAfter(loop::Duration delay, discovery::Workload workload) {
    After(delay, [this, workload = std::move(workload)] { mesh_.PutWorkload(workload); });
  }
  void RemoveAfter(loop::Duration delay, std::string id) {
    After(delay, [this, id = std::move(id)] { mesh_.RemoveWorkload(id); });
  }

 private:
  template <typename Event>
  void After(loop::Duration delay, Event event) {
    events_.push_back(loop_.NewTimer([this, event = std::move(event)] {
      event();
      mesh_.OnChange();
    }));
    events_.back()->Start(delay);
  }

  loop::Loop& loop_;
  discovery::MeshSink& mesh_;
  std::list<std::unique_ptr<loop::Timer>> events_;
};

}  // namespace tulle::simulation
