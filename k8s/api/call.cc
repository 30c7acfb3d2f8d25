#include "k8s/api/call.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "k8s/api/json.h"

namespace tulle::k8s {

void AnswerCollector::OnHead(int status, loop::Duration retry_after) {
  answer_.status = status;
  answer_.retry_after = retry_after;
}

void AnswerCollector::OnBody(std::string_view bytes) {
  is_too_large_ |= answer_.body.size() + bytes.size() > largest_;
  if (!is_too_large_) answer_.body.append(bytes);
}

// A refusal has a Status object that says why.
Answer AnswerCollector::Finish(const std::string& error) {
  Answer answer = std::move(answer_);
  if (!error.empty() || answer.status == 0) {
    answer.status = 0;
    answer.error = error.empty() ? "the API server sent no answer" : error;
    return answer;
  }
  if (is_too_large_) {
    answer.is_too_large = true;
    answer.error = absl::StrCat("the answer is larger than ", largest_, " bytes");
  } else if (answer.status < 200 || answer.status > 299) {
    const Json said = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    answer.reason = TextAt(said, {"reason"});
    const std::string message = TextAt(said, {"message"});
    answer.error = absl::StrCat("HTTP status ", answer.status, message.empty() ? "" : ": ",
                                message.substr(0, 1000));
  }
  return answer;
}

void Call::Start(loop::Loop& loop, std::unique_ptr<Exchange> exchange) {
  exchange_ = std::move(exchange);
  if (exchange_ != nullptr) return;
  unsent_ = loop.NewTimer([this] { OnEnd("not connected to the API server"); });
  unsent_->Start({});
}

std::string Escape(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

Request Create(std::string path, std::string json) {
  return {"POST", std::move(path), "application/json", "application/json", std::move(json)};
}

Request MergePatch(std::string path, std::string json) {
  return {"PATCH", std::move(path), "application/json", "application/merge-patch+json",
          std::move(json)};
}

Request Apply(std::string path, std::string json, std::string_view field_manager) {
  // JSON is YAML; servers before 1.32 know only this content type.
  return {"PATCH", absl::StrCat(path, "?force=true&fieldManager=", Escape(field_manager)),
          "application/json", "application/apply-patch+yaml", std::move(json)};
}

}  // namespace tulle::k8s
