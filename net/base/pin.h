#pragma once

#include <cstdint>
#include <memory>
#include <utility>

namespace tulle {

// A worker's reference to an immutable spec that several configuration versions and workers share:
// one shared_ptr per worker, counted locally, so that a request pins its spec without an atomic
// instruction. Owner: any object on the worker. Thread: one.
template <typename T>
class Pin {
 public:
  Pin() = default;
  Pin(std::shared_ptr<const T> spec)
      : box_(new Box{std::move(spec), 1}) {}  // NOLINT: implicit like shared_ptr
  Pin(const Pin& other) : box_(other.box_) {
    if (box_ != nullptr) ++box_->holders;
  }
  Pin(Pin&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
  Pin& operator=(Pin other) noexcept {
    std::swap(box_, other.box_);
    return *this;
  }
  ~Pin() {
    if (box_ != nullptr && --box_->holders == 0) delete box_;
  }
  const T* get() const { return box_ == nullptr ? nullptr : box_->spec.get(); }
  const T* operator->() const { return get(); }
  const T& operator*() const { return *get(); }
  explicit operator bool() const { return get() != nullptr; }
  std::shared_ptr<const T> shared() const { return box_ == nullptr ? nullptr : box_->spec; }

 private:
  struct Box {
    std::shared_ptr<const T> spec;
    uint32_t holders;
  };
  Box* box_ = nullptr;
};

}  // namespace tulle
