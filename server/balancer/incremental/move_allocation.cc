#include "server/balancer/incremental/move_allocation.h"

#include <algorithm>

#include "server/balancer/incremental/at.h"

namespace eplb {
namespace {

// A run of one layer's moves that is worth taking as one.
struct Offer {
  int layer;
  int end;  // one past its last move
  int fetches;
  double gain;
  double noise;  // of the gain; at most the sum of its moves'

  double rate() const { return gain / fetches; }
};

// Appends the layer's balancing moves as offers of falling rate.
void AppendOffers(int layer, std::span<const Move> moves, int first, std::vector<Offer>& offers) {
  const std::size_t start = offers.size();
  for (int i = first; i < static_cast<int>(moves.size()); ++i) {
    Offer offer{.layer = layer,
                .end = i + 1,
                .fetches = At(moves, i).fetches,
                .gain = At(moves, i).gain,
                .noise = At(moves, i).noise};
    while (offers.size() > start && offers.back().rate() < offer.rate()) {
      offer.fetches += offers.back().fetches;
      offer.gain += offers.back().gain;
      offer.noise += offers.back().noise;
      offers.pop_back();
    }
    offers.push_back(offer);
  }
}

// Takes the layer's offers that are not worth the price off the end again; returns how many fetches they were.
int RefuseOffers(int layer, std::size_t start, const FetchPrice& price, std::vector<Offer>& offers) {
  int refused = 0;
  const auto worth = [&](const Offer& offer) {
    return offer.rate() > price.tokens && offer.gain - price.noise_margin * offer.noise > offer.fetches * price.tokens;
  };
  while (offers.size() > start && !worth(offers.back())) {
    refused += offers.back().fetches;
    offers.pop_back();
  }
  double gain = 0;
  int fetches = 0;
  for (std::size_t i = start; i < offers.size(); ++i) {
    gain += offers[i].gain;
    fetches += offers[i].fetches;
  }
  const double least = price.least_gain.empty() ? 0.0 : At(price.least_gain, layer);
  if (gain > std::max(least, fetches * price.tokens * (1.0 + price.hysteresis))) return refused;
  offers.erase(offers.begin() + static_cast<std::ptrdiff_t>(start), offers.end());
  return refused + fetches;
}

int FirstNotOf(std::span<const Move> moves, MoveUrgency least_urgent) {
  const auto found = std::ranges::find_if(moves, [&](const Move& move) { return move.urgency < least_urgent; });
  return static_cast<int>(found - moves.begin());
}

// One repair of each layer in turn, until none is left or affordable.
void TakeRepairs(std::span<const LayerMoves> layers, std::int64_t max_fetches, MoveAllocation& allocation) {
  for (bool progress = true; progress;) {
    progress = false;
    for (int layer = 0; layer < static_cast<int>(layers.size()); ++layer) {
      const std::vector<Move>& moves = At(layers, layer).moves;
      int& taken = At(allocation.taken, layer);
      if (taken >= FirstNotOf(moves, MoveUrgency::kRepair)) continue;
      if (allocation.fetches + At(moves, taken).fetches > max_fetches) continue;
      allocation.fetches += At(moves, taken).fetches;
      ++taken;
      progress = true;
    }
  }
}

}  // namespace

MoveAllocation AllocateMoves(std::span<const LayerMoves> layers, std::int64_t max_fetches, const FetchPrice& price) {
  MoveAllocation allocation{.taken = std::vector<int>(layers.size(), 0),
                            .refused_fetches = std::vector<int>(layers.size(), 0)};
  const int num_layers = static_cast<int>(layers.size());
  for (int layer = 0; layer < num_layers; ++layer) {
    const std::vector<Move>& moves = At(layers, layer).moves;
    At(allocation.taken, layer) = FirstNotOf(moves, MoveUrgency::kCoverage);
    for (int i = 0; i < At(allocation.taken, layer); ++i) allocation.fetches += At(moves, i).fetches;
  }
  TakeRepairs(layers, max_fetches, allocation);

  std::vector<Offer> offers;
  for (int layer = 0; layer < num_layers; ++layer) {
    const std::vector<Move>& moves = At(layers, layer).moves;
    const int first = FirstNotOf(moves, MoveUrgency::kRepair);
    if (At(allocation.taken, layer) != first) continue;
    const std::size_t start = offers.size();
    AppendOffers(layer, moves, first, offers);
    At(allocation.refused_fetches, layer) = RefuseOffers(layer, start, price, offers);
  }
  std::ranges::stable_sort(offers, [](const Offer& a, const Offer& b) { return a.rate() > b.rate(); });
  std::vector<char> closed(layers.size(), 0);  // an earlier offer of the layer was not taken whole
  for (const Offer& offer : offers) {
    if (price.usual_fetches && allocation.fetches >= *price.usual_fetches && !(offer.rate() > price.extra_tokens))
      break;
    if (At(closed, offer.layer)) continue;
    const std::vector<Move>& moves = At(layers, offer.layer).moves;
    int& taken = At(allocation.taken, offer.layer);
    while (taken < offer.end && allocation.fetches + At(moves, taken).fetches <= max_fetches) {
      allocation.fetches += At(moves, taken).fetches;
      ++taken;
    }
    At(closed, offer.layer) = taken < offer.end;
  }
  return allocation;
}

}  // namespace eplb
