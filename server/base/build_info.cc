#include "server/base/build_info.h"

namespace eplb {

const char* BuildVersion() { return EPLB_VERSION; }

const char* BuildRevision() { return EPLB_REVISION; }

}  // namespace eplb
