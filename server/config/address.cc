#include "server/config/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxHostBytes = 253;  // longest DNS name
constexpr int kMaxPort = 65535;

bool IsIpv6(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// A host name or an IPv4 address. Of what looks like an IPv4 address ("1.2.3.400") everything must be right.
bool IsNameOrIpv4(const std::string& host) {
  const bool known = std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
  if (!known || host.empty() || host.size() > kMaxHostBytes) return false;
  const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
  in_addr ignored;
  return !numeric || inet_pton(AF_INET, host.c_str(), &ignored) == 1;
}

std::optional<int> ParsePort(std::string_view text) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > kMaxPort) return std::nullopt;
  return port;
}

}  // namespace

bool Address::is_loopback() const {
  in_addr ipv4;
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24) == 127;
  in6_addr ipv6;
  if (inet_pton(AF_INET6, host.c_str(), &ipv6) == 1) return IN6_IS_ADDR_LOOPBACK(&ipv6);
  return host == "localhost";
}

std::string Address::ToString() const {
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

std::optional<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<int> port = ParsePort(text.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string host(text.substr(0, colon));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!IsIpv6(host)) return std::nullopt;
  } else if (!IsNameOrIpv4(host)) {
    return std::nullopt;
  }
  return Address{.host = host, .port = *port};
}

}  // namespace eplb
