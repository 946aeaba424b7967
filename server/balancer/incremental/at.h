#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_AT_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_AT_H_

#include <cstddef>

namespace eplb {

// container[index] for the whole numbers that experts, slots, GPUs and layers are counted in. index >= 0. What it
// refers to belongs to the container, or to what a span is a view of.
template <typename Container>
constexpr decltype(auto) At(Container&& container, int index) {
  return container[static_cast<std::size_t>(index)];
}

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_AT_H_
