#ifndef EPLB_SERVER_RPC_CONVERT_ROUTING_H_
#define EPLB_SERVER_RPC_CONVERT_ROUTING_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// The slots that an engine which picks entries of an expert's list evenly should find in it.
//
// slots: the expert's, in slot order, at least one; shares: of its traffic for each, >= 0; empty: equal ones;
// max_entries >= 1. With equal shares each slot comes once, or the first max_entries where there are more. Otherwise
// slots come several times, as often as makes the largest error of count / entries against the share smallest, with
// the fewest entries that do; at most min(max_entries, kMaxRoutingEntries) entries. Entries are given one after the
// other to the slot with the largest share / (2 count + 1) (Webster's method; Balinski and Young, "Fair
// Representation"); ties go to the lower slot.
//
// It knows shares only; where loads are known too, balancer/shares/entry_counts.h finds better whole numbers.
//
// Worked example: slots 4 and 9 with shares 0.75 and 0.25 and room for 8 entries: 4 4 4 9.
std::vector<std::int32_t> RoutingEntries(std::span<const std::int32_t> slots, std::span<const double> shares,
                                         int max_entries);

// Entries of one expert that are tried; past it the error of a share is below half a percent.
inline constexpr int kMaxRoutingEntries = 128;

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_ROUTING_H_
