#include "absl/strings/numbers.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/mesh_resources.h"
#include "control-plane/insight/event_book.h"

namespace tulle::api {
namespace {

using insight::Event;
using insight::EventBook;

Json EventJson(const Event& event) {
  Json json = {{"type", event.type == Event::Type::kWarning ? "Warning" : "Normal"},
               {"reason", event.reason},
               {"object",
                {{"kind", event.subject.kind},
                 {"namespace", event.subject.ns},
                 {"name", event.subject.name}}},
               {"message", event.message},
               {"actor", event.actor},
               {"count", event.count},
               {"firstAt", event.first_at},
               {"lastAt", event.last_at}};
  if (event.is_of_all) json["ofAllReplicas"] = true;
  return json;
}

}  // namespace

Routes EventResource::routes() {
  return {{"GET",
           "/v1/events",
           Access::kReader,
           "List what has happened in the mesh, the newest last: changes of policies, proxies that "
           "connect or reject their configuration, certificates. In memory, at most 1000",
           By(this, &EventResource::List),
           {{"since", "only events of this time or later, in seconds since the epoch"},
            {"limit", "number of events, the newest, 1 to 1000; defaults to 1000"}}}};
}

ApiResponse EventResource::List(const Call& call) {
  int64_t since = 0;
  uint32_t limit = 0;
  if (!absl::SimpleAtoi(call.QueryOr("since", "0"), &since) || since < 0)
    return Refuse(400, "since must be a number of seconds since the epoch", "", "since");
  if (!absl::SimpleAtoi(call.QueryOr("limit", "1000"), &limit) || limit < 1 ||
      limit > EventBook::kMostEvents)
    return Refuse(400, "limit must be a number from 1 to 1000", "", "limit");
  Json json = {{"items", Json::array()}};
  if (events_ == nullptr) return Answer(json);
  for (const Event& event : events_->Since(since, limit)) json["items"].push_back(EventJson(event));
  return Answer(json);
}

}  // namespace tulle::api
