// Source: Kubernetes API Concepts (efficient detection of changes, retrieving large results sets in
// chunks, 410 Gone responses).
#include "k8s/api/reflector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::k8s {
namespace {

constexpr size_t kLongestRefusal = 64 * 1024;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kGone = 410;
constexpr std::chrono::seconds kWatchSlack{30};

}  // namespace

Reflector::Reflector(loop::Loop& loop, Client& client, Resource resource, const Options& options,
                     ReflectorEvents& events)
    : loop_(loop),
      client_(client),
      resource_(std::move(resource)),
      options_(options),
      events_(events),
      lines_(options.longest_event),
      refusal_(kLongestRefusal),
      page_size_(options.page),
      cap_(options.first_backoff) {
  retry_ = loop_.NewTimer([this] { Go(); });
}

Reflector::~Reflector() = default;

std::string Reflector::Accept(const char* kind) const {
  if (resource_.form == Form::kWhole) return "application/json";
  return absl::StrCat("application/json;as=", resource_.form == Form::kTable ? "Table" : kind,
                      ";g=meta.k8s.io;v=v1");
}

// Roles that name an object allow to list and watch it only with this selector.
std::string Reflector::Target(const std::string& query) const {
  std::string target = absl::StrCat(resource_.path, "?", query);
  if (!resource_.only.empty()) {
    absl::StrAppend(&target, "&fieldSelector=metadata.name%3D", Escape(resource_.only));
  }
  return target;
}

void Reflector::Go() { is_listing_ ? List() : OpenWatch(); }

// The objects, as of now: no version is asked for, so that a server whose cache lags behind does
// not take us back in time.
void Reflector::List() {
  if (!client_.ready()) return client_.Await(*this);
  if (continue_.empty()) known_.BeginListing();
  Request request;
  request.accept = Accept("PartialObjectMetadataList");
  request.target = Target(absl::StrCat("limit=", page_size_));
  if (!continue_.empty()) absl::StrAppend(&request.target, "&continue=", Escape(continue_));
  page_ = client_.Send(request, [this](Answer answer) { OnPage(std::move(answer)); });
}

void Reflector::OnPage(Answer answer) {
  loop_.DeferDelete(std::move(page_));
  is_listing_refused_ = answer.status == kForbidden || answer.status == kNotFound;
  if (answer.is_too_large && page_size_ > 1) {
    page_size_ /= 2;
    return List();
  }
  if (!answer.ok()) {
    // The next attempt begins with the first page.
    continue_.clear();
    return Retry("cannot list: " + answer.error, answer.retry_after);
  }
  const Json page = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const bool is_table = resource_.form == Form::kTable;
  const Json rows = is_table ? table_.Read(page) : Json();
  const Json& items = is_table ? rows : At(page, {"items"});
  if (!page.is_object() || !(items.is_array() || (items.is_null() && !is_table))) {
    continue_.clear();
    return Retry(
        absl::StrCat("cannot list: the answer is not a ", is_table ? "table" : "list", " in JSON"));
  }
  for (const Json& item : items) Put(item);
  continue_ = TextAt(page, {"metadata", "continue"});
  continue_.empty() ? EndListing(page) : List();
}

void Reflector::EndListing(const Json& page) {
  page_size_ = options_.page;
  for (const ObjectKey& key : known_.EndListing()) events_.OnDelete(key);
  version_ = TextAt(page, {"metadata", "resourceVersion"});
  is_listing_ = false;
  cap_ = options_.first_backoff;
  if (!std::exchange(is_synced_, true)) events_.OnSynced();
  OpenWatch();
}

void Reflector::OpenWatch() {
  const auto shortest = static_cast<uint64_t>(options_.shortest_watch_seconds);
  const auto seconds = static_cast<int64_t>(shortest + loop_.random().Below(shortest));
  Request request;
  request.accept = Accept("PartialObjectMetadata");
  request.target =
      Target(absl::StrCat("watch=1&allowWatchBookmarks=true&resourceVersion=", Escape(version_),
                          "&timeoutSeconds=", seconds));
  lines_.Reset();
  is_refused_ = false;
  watching_since_ = loop_.Now();
  watch_ = client_.Open(request, std::chrono::seconds(seconds) + kWatchSlack, *this);
  if (watch_ == nullptr) client_.Await(*this);
}

void Reflector::OnHead(int status, loop::Duration retry_after) {
  is_refused_ = status != 200;
  if (is_refused_) refusal_.OnHead(status, retry_after);
  watching_since_ = loop_.Now();
}

void Reflector::OnBody(std::string_view bytes) {
  if (is_refused_) return refusal_.OnBody(bytes);
  while (!bytes.empty() && watch_ != nullptr) {
    const auto line = lines_.Next(&bytes);
    if (!line) continue;
    if (lines_.was_too_long()) {
      events_.OnProblem(absl::StrCat(resource_.path, ": an event of more than ",
                                     options_.longest_event, " bytes was ignored"));
    } else {
      OnEvent(*line);
    }
  }
}

void Reflector::OnEnd(const std::string& error) {
  StopWatch();
  if (is_refused_) {
    const Answer answer = refusal_.Finish(error);
    is_listing_ = is_listing_ || answer.status == kGone;
    return Retry("cannot watch: " + answer.error, answer.retry_after);
  }
  if (loop_.Now() - watching_since_ >= options_.last_backoff) cap_ = options_.first_backoff;
  // A lost connection is the client's to report; the watch resumes once there is another one.
  const bool is_ours = !error.empty() && client_.ready();
  Retry(is_ours ? "the watch ended: " + error : "");
}

void Reflector::OnEvent(std::string_view line) {
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  const std::string type = TextAt(event, {"type"});
  const Json& object = At(event, {"object"});
  if (type == "ERROR") return OnErrorEvent(object);
  const std::string version = TextAt(object, {"metadata", "resourceVersion"});
  if (version.empty()) {
    StopWatch();
    is_listing_ = true;
    return Retry("an event is not valid; listing again");
  }
  version_ = version;
  cap_ = options_.first_backoff;
  const bool is_put = type == "ADDED" || type == "MODIFIED";
  if (!is_put && type != "DELETED") return;
  if (resource_.form != Form::kTable) return is_put ? Put(object) : Remove(object);
  for (const Json& row : table_.Read(object)) is_put ? Put(row) : Remove(row);
}

void Reflector::OnErrorEvent(const Json& status) {
  StopWatch();
  is_listing_ = true;
  const bool is_gone = NumberAt(status, {"code"}) == kGone;
  Retry(is_gone ? "" : "the watch ended: " + TextAt(status, {"message"}));
}

void Reflector::Put(const Json& object) {
  const ObjectKey key{TextAt(object, {"metadata", "namespace"}),
                      TextAt(object, {"metadata", "name"})};
  if (key.name.empty()) return;
  const auto change = known_.Put(key, TextAt(object, {"metadata", "uid"}),
                                 TextAt(object, {"metadata", "resourceVersion"}));
  if (change == KnownObjects::Change::kNone) return;
  if (change == KnownObjects::Change::kReplaced) events_.OnDelete(key);
  events_.OnUpsert(key, object);
}

void Reflector::Remove(const Json& object) {
  const ObjectKey key{TextAt(object, {"metadata", "namespace"}),
                      TextAt(object, {"metadata", "name"})};
  if (known_.Remove(key)) events_.OnDelete(key);
}

void Reflector::StopWatch() {
  if (watch_ == nullptr) return;
  watch_->Cancel();
  loop_.DeferDelete(std::move(watch_));
}

void Reflector::Retry(const std::string& problem, loop::Duration at_least) {
  if (!problem.empty()) events_.OnProblem(absl::StrCat(resource_.path, ": ", problem));
  const auto wait = loop_.random().Below(static_cast<uint64_t>(cap_.count()) + 1);
  retry_->Start(std::max(loop::Duration(static_cast<int64_t>(wait)), at_least));
  cap_ = std::min(cap_ * 2, options_.last_backoff);
}

}  // namespace tulle::k8s
