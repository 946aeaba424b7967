#ifndef EPLB_SERVER_BALANCER_SEARCH_TWIN_REPAIR_H_
#define EPLB_SERVER_BALANCER_SEARCH_TWIN_REPAIR_H_

#include "server/balancer/search/replica_layout.h"

namespace eplb {

// Takes twins (two replicas of one expert on one GPU) apart. Each is exchanged with the replica on another GPU that is
// nearest in load, so that neither GPU then has a twin of the two exchanged, ties to the lowest slot. Where no exchange
// will do, the slot is given to the heaviest expert per replica that is missing on the GPU. Every step takes away
// at least one twin and makes none, so it ends; what is left afterwards cannot be helped without going below
// min_replicas.
void RepairTwins(int min_replicas, ReplicaLayout* layout);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_TWIN_REPAIR_H_
