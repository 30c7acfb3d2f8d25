// A sidecar on its insight stream, as scripted.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/insight/respondents.h"

namespace tulle::insight {

class FakeSidecar final : public Respondent {
 public:
  FakeSidecar(Respondents& respondents, std::string proxy)
      : respondents_(respondents),
        proxy_(std::move(proxy)),
        spiffe_id_("spiffe://cluster.local/ns/shop/sa/" + proxy_) {
    respondents_.OnConnected(*this);
  }
  ~FakeSidecar() override { Leave(); }

  void Leave() {
    if (std::exchange(is_gone_, true)) return;
    respondents_.OnGone(*this);
  }
  const std::string& spiffe_id() const override { return spiffe_id_; }
  std::string proxy() const override { return proxy_; }
  bool Send(const v1::ToSidecar& message) override {
    if (!has_room) return false;
    received.push_back(message);
    if (on_message) on_message(message);
    return true;
  }
  void Reply(v1::Answer answer) { respondents_.OnAnswer(*this, answer); }
  // To the question that came last.
  void Answer(const std::vector<std::string>& request_ids, bool is_last = true) {
    v1::Answer answer;
    answer.set_question(received.back().question().id());
    for (const std::string& id : request_ids) {
      v1::RequestRecord& record = *answer.add_requests();
      record.set_request_id(id);
      record.set_proxy(proxy_);
    }
    answer.set_is_last(is_last);
    Reply(std::move(answer));
  }

  bool has_room = true;
  std::vector<v1::ToSidecar> received;
  std::function<void(const v1::ToSidecar&)> on_message;

 private:
  Respondents& respondents_;
  const std::string proxy_;
  const std::string spiffe_id_;
  bool is_gone_ = false;
};

}  // namespace tulle::insight
