#ifndef EPLB_SERVER_BASE_BUILD_INFO_H_
#define EPLB_SERVER_BASE_BUILD_INFO_H_

namespace eplb {

// Which build this is, as CMake set it; the texts live as long as the process.
const char* BuildVersion();   // "0.1.0"
const char* BuildRevision();  // of the source; "unknown" where CMake found none

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_BUILD_INFO_H_
