#include "tests/support/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "server/base/check.h"

namespace eplb::testing {
namespace {

// -1: refused.
int ConnectTo(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EPLB_CHECK(descriptor >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

std::string ReadToEnd(int descriptor) {
  std::string text;
  std::array<char, 16384> buffer;
  for (ssize_t count = 1; count > 0;) {
    count = ::read(descriptor, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

HttpAnswer HttpGet(int port, const std::string& path) {
  const int descriptor = ConnectTo(port);
  if (descriptor < 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EPLB_CHECK(::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  const std::string text = ReadToEnd(descriptor);
  ::close(descriptor);
  const std::size_t head_end = text.find("\r\n\r\n");
  EPLB_CHECK(head_end != std::string::npos && text.size() > 12);
  return {.status = std::atoi(text.substr(9, 3).c_str()),
          .headers = text.substr(0, head_end),
          .body = text.substr(head_end + 4)};
}

}  // namespace eplb::testing
