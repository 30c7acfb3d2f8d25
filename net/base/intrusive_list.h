#pragma once

// Doubly linked list whose links live in the elements: no allocation, O(1) unlink. An element
// unlinks itself when it is destroyed. Thread: that of the elements. An element is in at most one
// list per Tag.

namespace tulle {

template <typename T, typename Tag>
class IntrusiveList;

template <typename T, typename Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { Unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != nullptr; }
  void Unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  friend class IntrusiveList<T, Tag>;
  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

template <typename T, typename Tag = void>
class IntrusiveList {
 public:
  using Node = ListNode<T, Tag>;
  IntrusiveList() { head_.prev_ = head_.next_ = &head_; }
  ~IntrusiveList() {
    while (!empty()) front().Node::Unlink();
    head_.prev_ = head_.next_ = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& back() { return static_cast<T&>(*head_.prev_); }
  void PushBack(T& item) { InsertBefore(item, head_); }
  void PushFront(T& item) {
    static_cast<Node&>(item).Unlink();  // it may be the first already
    InsertBefore(item, *head_.next_);
  }
  T& PopFront() {
    T& item = front();
    static_cast<Node&>(item).Unlink();
    return item;
  }
  // `visit` may unlink the element it is given, and no other.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  void InsertBefore(T& item, Node& where) {
    Node& node = item;
    node.Unlink();
    node.prev_ = where.prev_;
    node.next_ = &where;
    where.prev_->next_ = &node;
    where.prev_ = &node;
  }
  Node head_;
};

}  // namespace tulle
