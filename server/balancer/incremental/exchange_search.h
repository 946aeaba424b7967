#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_EXCHANGE_SEARCH_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_EXCHANGE_SEARCH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "server/balancer/incremental/move.h"

namespace eplb {

// Finds the best exchange of the experts of two slots of different GPUs, and the best move of an expert to an empty
// slot of another GPU. Each pair of GPUs is bounded by what the ideal exchange would gain.
//
// Owns its buffers; not thread-safe; keeps references.
class ExchangeSearch {
 public:
  ExchangeSearch(const LayerSlots& slots, const LoadPotential& potential);

  // Replaces the best move by one with a higher rate, if there is any with one side among the GPUs given, which are the
  // hottest ones, falling. with_exchanges: of two fetches too, else moves to empty slots alone.
  void Search(std::span<const std::int32_t> hot_gpus, bool with_exchanges, BestMove& best);

 private:
  void SearchGpuPair(int from, int to, bool with_exchanges, BestMove& best) const;
  double IdealExchange(int from, int to) const;
  double IdealShift(int from, int to) const;  // of load, in the first sample
  double GainOfExchange(int from, int to, std::int32_t leaving, std::int32_t coming) const;
  bool ExchangeAllowed(int slot, int other) const;

  const LayerSlots& slots_;
  const LoadPotential& potential_;
  std::vector<double> slope_;          // [gpus] of the term in the first sample
  std::vector<double> amount_;         // [gpus] in the first sample
  std::vector<std::int32_t> targets_;  // GPUs that an exchange may go to
  std::vector<char> is_done_;          // [gpus] pairs with it are done
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_EXCHANGE_SEARCH_H_
