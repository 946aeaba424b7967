#ifndef EPLB_SERVER_CONFIG_ADDRESS_H_
#define EPLB_SERVER_CONFIG_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

namespace eplb {

// Where a port is opened.
struct Address {
  std::string host;  // name or IP address, without the brackets of IPv6; never empty
  int port = 0;      // 0: any free port

  // Only this machine reaches it: localhost, 127.0.0.0/8 or ::1.
  bool is_loopback() const;
  // host:port, with brackets around IPv6.
  std::string ToString() const;

  bool operator==(const Address&) const = default;
};

// Reads "host:port" or "[ipv6]:port"; nothing where it is neither.
std::optional<Address> ParseAddress(std::string_view text);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_ADDRESS_H_
