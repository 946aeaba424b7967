#ifndef EPLB_SERVER_BASE_CHECK_H_
#define EPLB_SERVER_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

// EPLB_CHECK(condition) aborts with the source position when a broken invariant shows a bug of our own; it is
// never the answer to bad input, which gets an absl::Status. It stays on in release builds.
#define EPLB_CHECK(condition)                                                                \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)

#endif  // EPLB_SERVER_BASE_CHECK_H_
