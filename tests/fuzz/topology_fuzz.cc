#include <cstdint>
#include <string_view>

#include "client/files/topology_file.h"
#include "server/base/check.h"

// Any bytes either are refused, as a file or as a topology, or are a topology whose slots add up.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto options = eplb::ParseTopology(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!options.ok()) return 0;
  const auto topology = eplb::Topology::Create(*options);
  if (!topology.ok()) return 0;
  int slots = 0;
  for (int gpu = 0; gpu < topology->num_gpus(); ++gpu) slots += topology->slots_on(gpu);
  EPLB_CHECK(slots == topology->num_slots());
  return 0;
}
