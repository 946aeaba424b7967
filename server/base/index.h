#ifndef EPLB_SERVER_BASE_INDEX_H_
#define EPLB_SERVER_BASE_INDEX_H_

#include <concepts>
#include <cstddef>

namespace eplb {

// A number that is known to be >= 0 as an index or size of a container: the conversion that -Wsign-conversion asks to
// be written out, short enough not to hide the formula around it.
constexpr std::size_t Index(std::integral auto value) { return static_cast<std::size_t>(value); }

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_INDEX_H_
