#ifndef EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_
#define EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_

namespace eplb {

// The innermost loop of the exchange search: least over i of base[i] + |value - target[i]|, infinite for count 0. All
// sums are >= 0. Compilers do not vectorise a float minimum without -ffast-math, hence the forms for SSE2, which every
// x86-64 has, and for AVX2, chosen as the program runs; these and the portable form give the same bits, since a minimum
// does not depend on the order of its terms.
float LeastDistance(const float* base, const float* target, int count, float value);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_NEAREST_TARGET_H_
