#include "sidecar/proxy/answer.h"

#include <algorithm>
#include <charconv>

#include "sidecar/route/route_table.h"

namespace tulle::proxy {
namespace {

class Text final : public BodySource {
 public:
  explicit Text(std::string_view text) : rest_(text) {}
  bool Read(Buffer& out, size_t most) override {
    const std::string_view piece = rest_.substr(0, most);
    out.Append(piece);
    rest_.remove_prefix(piece.size());
    return rest_.empty();
  }

 private:
  std::string_view rest_;
};

Answer& NewAnswer(Call& call, int status, std::string_view text) {
  Arena& arena = call.arena;
  auto* answer = arena.New<Answer>(Answer{arena.New<http::Head>(arena)});
  answer->head->status = status;
  answer->message = text;
  answer->body_size = text.size();
  if (!text.empty()) answer->body = arena.New<Text>(text);
  return *answer;
}

}  // namespace

Answer& FailureAnswer(Call& call, Failure failure, int status) {
  Answer& answer = NewAnswer(call, status, failure.facts().body);
  answer.failure = failure;
  answer.grpc_status = failure.facts().grpc_status;
  return answer;
}

Step Fail(Call& call, Failure failure) {
  const int status = failure.facts().status;
  return Step::Reply(
      FailureAnswer(call, failure, status == 504 && !call.request.ended ? 408 : status));
}

Step Redirect(Call& call, int status, std::string_view location) {
  Answer& answer = NewAnswer(call, status, {});
  answer.head->headers.Set(http::HeaderId::kLocation, location);
  return Step::Reply(answer);
}

Step Respond(Call& call, int status, std::string_view text, Failure failure) {
  Answer& answer = NewAnswer(call, status, text);
  answer.failure = failure;
  return Step::Reply(answer);
}

std::string_view Decimal(Arena& arena, uint64_t value) {
  char text[20];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  return arena.Copy({text, static_cast<size_t>(end - text)});
}

}  // namespace tulle::proxy
