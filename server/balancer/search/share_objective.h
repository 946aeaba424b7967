#ifndef EPLB_SERVER_BALANCER_SEARCH_SHARE_OBJECTIVE_H_
#define EPLB_SERVER_BALANCER_SEARCH_SHARE_OBJECTIVE_H_

#include <cstdint>
#include <span>

#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/layer_search.h"
#include "server/balancer/shares/share_optimizer.h"
#include "server/model/topology.h"

namespace eplb {

// What a layer's placement is worth to engines that route by traffic shares: the largest GPU load with the shares that
// suit it best. With several samples the shares are those that are best for their weighted mean, since engines have
// but one set of them, or even ones if these are better; and the value is the weighted mean over the samples of the
// largest GPU load with them. Reuses its buffers; not thread-safe.
class ShareObjective {
 public:
  ShareObjective(const Topology& topology, int num_experts);

  // Sets the loads that the next placements are valued for. The samples must outlive them.
  void Reset(std::span<const SampleLoads> samples);

  // Tokens per unit of speed. slots: [num_slots].
  double Value(std::span<const std::int32_t> slots);

  // The same, and the shares that give it: shares(), until the next call.
  double Choose(std::span<const std::int32_t> slots);
  // [num_slots] as ShareOptimizer has them.
  std::span<const double> shares() const { return even_ ? even_share_.span() : optimizer_.share(); }

  // [experts] weighted mean of the samples.
  std::span<const double> loads() const { return loads_.span(); }
  // The best shares of the placement valued last for loads().
  const ShareOptimizer& optimizer() const { return optimizer_; }

 private:
  double MeanOfMaxima(std::span<const std::int32_t> slots, std::span<const double> share) const;
  void ShareEvenly(std::span<const std::int32_t> slots);

  const Topology& topology_;
  std::span<const SampleLoads> samples_;
  double total_weight_ = 0;
  bool even_ = false;  // even shares were better
  FlatArray<double> loads_;
  FlatArray<double> even_share_;       // [slots]
  FlatArray<std::int32_t> replicas_;   // [experts] on GPUs that are not excluded, or on any where there is none
  FlatArray<std::uint8_t> is_usable_;  // [experts] whether a GPU that is not excluded holds it
  ShareOptimizer optimizer_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_SHARE_OBJECTIVE_H_
