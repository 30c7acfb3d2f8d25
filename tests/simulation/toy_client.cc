#include "tests/simulation/toy_client.h"

#include "net/socket/transports.h"

namespace tulle::toy {

Client::Client(loop::Loop& loop, const SocketAddress& server, int requests)
    : loop_(loop), server_(server), left_(requests), received_(loop.slab()), pending_(loop.slab()) {
  redial_ = loop.NewTimer([this] { Dial(); });
  patience_ = loop.NewTimer([this] {
    --left_;
    Again((loop_.random().Next() & 1) != 0);
  });
  redial_->Start({});
}

Client::~Client() { Hang(false); }

void Client::Dial() {
  transport_ = PlainConnector().Connect(loop_, server_, {});
  transport_->SetEvents(this);
}

void Client::OnTransportReady() {
  transport_->EnableRead(true);
  Ask();
}

void Client::Ask() {
  pending_.Append("please\n");
  transport_->Write(pending_);
  // Most wait forever; one in six does not.
  if (loop_.random().Below(6) == 0) {
    patience_->Start(std::chrono::microseconds(loop_.random().Below(20'000)));
  }
}

void Client::OnTransportReadable() {
  const ReadResult result = transport_->Read(received_, 4096);
  if (result.status == ReadStatus::kEnd) return Again(false);
  if (result.status != ReadStatus::kOk || received_.size() < 3) return;
  received_.Drain(3);
  ++answered_;
  patience_->Stop();
  if (--left_ == 0) return Hang(false);
  Ask();
}

void Client::Again(bool reset) {
  Hang(reset);
  if (left_ > 0) redial_->Start(std::chrono::microseconds(loop_.random().Below(5000)));
}

void Client::Hang(bool reset) {
  patience_->Stop();
  pending_.Clear();
  received_.Clear();
  if (transport_ == nullptr) return;
  transport_->Close(reset);
  loop_.DeferDelete(std::move(transport_));
}

}  // namespace tulle::toy
