#ifndef EPLB_CLIENT_FILES_WHOLE_TOKENS_H_
#define EPLB_CLIENT_FILES_WHOLE_TOKENS_H_

#include "server/model/load_matrix.h"

namespace eplb {

// Loads as whole numbers of tokens, which is all that the API carries. Loads that are whole come back as they are.
// Others are shares, scores or averages, of which only the proportions mean anything: all are multiplied by one power
// of two, the highest up to 2^32 that keeps every layer's sum within 2^52, and rounded.
LoadMatrix WholeTokens(const LoadMatrix& loads);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_WHOLE_TOKENS_H_
