// What a collector is sent, and what is dropped, in which order, while it cannot take it.
#include "telemetry/export/batch_exporter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/loop/testing/fake_loop.h"
#include "telemetry/families.h"

namespace tulle::telemetry {
namespace {

using std::chrono::seconds;

// A collector that the test plays by hand.
class PlayedDelivery final : public Delivery {
 public:
  void Start(absl::AnyInvocable<void()>) override {}
  bool ready() const override { return true; }
  void Send(std::string body, Done done) override {
    EXPECT_EQ(done_, nullptr) << "one batch at a time";
    bodies.push_back(std::move(body));
    done_ = std::move(done);
  }
  void Reconnect() override {}
  void Answer(DeliveryOutcome outcome) { std::exchange(done_, nullptr)(std::move(outcome)); }
  bool is_asked() const { return done_ != nullptr; }

  std::vector<std::string> bodies;

 private:
  Done done_;
};

class BatchExporterTest : public ::testing::Test {
 protected:
  BatchExporterTest() {
    auto delivery = std::make_unique<PlayedDelivery>();
    delivery_ = delivery.get();
    exporter_ = std::make_unique<BatchExporter>(
        loop_, std::move(delivery),
        BatchExporter::Options{
            .resource = {},
            .encode = [](std::string_view,
                         std::string_view records) { return std::string(records); },
            .sent = kSpansSent,
            .dropped = kSpansDropped,
            .most_waiting = 10,
            .on_refused =
                [this](uint64_t count, std::string_view why) {
                  told_.push_back(std::to_string(count) + " " + std::string(why));
                }},
        registry_);
  }
  ~BatchExporterTest() override {
    exporter_.reset();
    loop_.Turn();
  }
  void Accept() { delivery_->Answer({.result = DeliveryResult::kAccepted}); }
  uint64_t Dropped(std::string_view reason) {
    return registry_.CounterRow(kSpansDropped, {&reason, 1}).value();
  }
  uint64_t Sent() { return registry_.CounterRow(kSpansSent).value(); }
  const std::string& Last() { return delivery_->bodies.back(); }

  loop::FakeLoop loop_;
  Registry registry_;
  std::vector<std::string> told_;
  PlayedDelivery* delivery_;
  std::unique_ptr<BatchExporter> exporter_;
};

TEST_F(BatchExporterTest, Fault87_WhatDoesNotFitIsDroppedAndCounted) {
  exporter_->Add("aaaa", 4);  // under way
  exporter_->Add("bbbb", 4);
  exporter_->Add("ccc", 3);
  EXPECT_EQ(Dropped("queue_full"), 3u);
  exporter_->Add("dd", 2);
  Accept();
  EXPECT_EQ(Last(), "bbbbdd");
  Accept();
  EXPECT_TRUE(exporter_->idle());
  EXPECT_EQ(Sent(), 10u);
}

TEST_F(BatchExporterTest, Fault87_ErrorsAreSentFirstAndDroppedLast) {
  exporter_->Add("a", 1);  // under way
  exporter_->Add("bbb", 3);
  exporter_->Add("ccc", 3);
  exporter_->Add("ddd", 3);
  exporter_->Add("EEE", 3, true);  // in the place of the oldest
  EXPECT_EQ(Dropped("queue_full"), 3u);
  exporter_->Add("FFFF", 4, true);
  EXPECT_EQ(Dropped("queue_full"), 9u);
  exporter_->Add("GGG", 3, true);  // there is nothing left to drop for it
  EXPECT_EQ(Dropped("queue_full"), 9u);
  EXPECT_EQ(Dropped("queue_full_errors"), 3u);
  exporter_->Add("hh", 2);
  exporter_->Add("i", 1);
  EXPECT_EQ(Dropped("queue_full"), 10u);
  Accept();
  EXPECT_EQ(Last(), "EEEFFFF");
  Accept();
  EXPECT_EQ(Last(), "hh");
}

// Nothing that a batch which comes back has is lost, and of it too errors are dropped last.
TEST_F(BatchExporterTest, ABatchThatComesBackKeepsItsPlace) {
  exporter_->Add("aaa", 3);
  exporter_->Add("bbb", 3);
  delivery_->Answer({.result = DeliveryResult::kLater});
  EXPECT_FALSE(delivery_->is_asked());
  exporter_->Add("CCCC", 4, true);
  EXPECT_FALSE(delivery_->is_asked()) << "the back-off is over too early";
  EXPECT_EQ(Dropped("queue_full"), 0u);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Last(), "CCCC");
  delivery_->Answer({.result = DeliveryResult::kLater});
  exporter_->Add("DDDDD", 5, true);
  EXPECT_EQ(Dropped("queue_full"), 6u);
  loop_.Advance(seconds(2));
  EXPECT_EQ(Last(), "CCCCDDDDD");
  Accept();
  EXPECT_EQ(Sent(), 9u);
}

TEST_F(BatchExporterTest, TheCollectorSaysHowLongToWait) {
  exporter_->Add("a", 1);
  delivery_->Answer({.result = DeliveryResult::kLater, .wait = seconds(60)});
  loop_.Advance(seconds(59));
  EXPECT_EQ(delivery_->bodies.size(), 1u);
  loop_.Advance(seconds(1));
  EXPECT_EQ(delivery_->bodies.size(), 2u);
}

TEST_F(BatchExporterTest, WhatACollectorRejectsIsCountedAndTold) {
  exporter_->Add("aaaaa", 5);
  delivery_->Answer({DeliveryResult::kAccepted, {}, 2, "too old"});
  EXPECT_EQ(Sent(), 3u);
  EXPECT_EQ(Dropped("rejected"), 2u);
  EXPECT_EQ(told_, std::vector<std::string>{"2 too old"});
  exporter_->Add("bb", 2);
  delivery_->Answer({DeliveryResult::kAccepted, {}, 99, "nonsense"});
  EXPECT_EQ(Sent(), 3u);
  EXPECT_EQ(Dropped("rejected"), 4u);
  exporter_->Add("c", 1);
  delivery_->Answer({DeliveryResult::kRefused, {}, 0, "who are you?"});
  EXPECT_EQ(Dropped("refused"), 1u);
  EXPECT_EQ(told_.size(), 1u) << "more than once a minute";
  loop_.Advance(seconds(60));
  exporter_->Add("d", 1);
  delivery_->Answer({DeliveryResult::kRefused, {}, 0, "who are you?"});
  EXPECT_EQ(told_.back(), "1 who are you?");
  exporter_->Add("e", 1);
  delivery_->Answer({DeliveryResult::kAccepted, {}, 0, "only a remark"});
  EXPECT_EQ(told_.size(), 2u);
}

}  // namespace
}  // namespace tulle::telemetry
