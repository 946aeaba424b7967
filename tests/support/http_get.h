#ifndef EPLB_TESTS_SUPPORT_HTTP_GET_H_
#define EPLB_TESTS_SUPPORT_HTTP_GET_H_

#include <string>

namespace eplb::testing {

struct HttpAnswer {
  int status = 0;  // 0: could not connect
  std::string headers;
  std::string body;
};

// Fetches a path by HTTP/1.1 from a port of this machine, as a scraper does.
HttpAnswer HttpGet(int port, const std::string& path);

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_HTTP_GET_H_
