#ifndef EPLB_SERVER_BALANCER_SEARCH_FLAT_ARRAY_H_
#define EPLB_SERVER_BALANCER_SEARCH_FLAT_ARRAY_H_

#include <cstddef>
#include <span>
#include <vector>

namespace eplb {

// A std::vector addressed by int, the way experts, slots and GPUs are numbered. Assign() keeps the memory it has, so
// that scratch reused for layer after layer allocates nothing.
template <typename T>
class FlatArray {
 public:
  using value_type = T;
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  FlatArray() = default;

  // `size` elements, all equal to `value`.
  void Assign(int size, T value) { data_.assign(static_cast<std::size_t>(size), value); }
  // `size` elements; what was there before, in any order, may still be.
  void Resize(int size) { data_.resize(static_cast<std::size_t>(size)); }
  void Copy(std::span<const T> from) { data_.assign(from.begin(), from.end()); }

  int size() const { return static_cast<int>(data_.size()); }
  T& operator[](int index) { return data_[static_cast<std::size_t>(index)]; }
  const T& operator[](int index) const { return data_[static_cast<std::size_t>(index)]; }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  iterator begin() { return data_.begin(); }
  iterator end() { return data_.end(); }
  const_iterator begin() const { return data_.begin(); }
  const_iterator end() const { return data_.end(); }
  std::span<const T> span() const { return data_; }

 private:
  std::vector<T> data_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_FLAT_ARRAY_H_
