#include "tests/support/freezing_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "server/base/check.h"

namespace eplb::testing {
namespace {

constexpr int kPollMilliseconds = 10;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

// Waits a little for something to read.
bool IsReadable(int socket) {
  pollfd poll_socket{.fd = socket, .events = POLLIN, .revents = 0};
  return poll(&poll_socket, 1, kPollMilliseconds) > 0;
}

// Passes on what is there. False at the end of the stream.
bool PassOn(int from, int to) {
  std::array<char, 16384> buffer;
  const ssize_t size = recv(from, buffer.data(), buffer.size(), 0);
  return size > 0 && send(to, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
}

}  // namespace

FreezingProxy::FreezingProxy(int target_port, int first_delay_milliseconds)
    : target_port_(target_port), first_delay_milliseconds_(first_delay_milliseconds) {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  EPLB_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && listen(listener_, 1) == 0);
  EPLB_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Carry(); });
}

FreezingProxy::~FreezingProxy() {
  stopping_ = true;
  thread_.join();
  close(listener_);
}

std::string FreezingProxy::address() const { return "127.0.0.1:" + std::to_string(port_); }

void FreezingProxy::Carry() {
  while (!stopping_ && !IsReadable(listener_)) {
  }
  if (stopping_) return;
  const int client = accept(listener_, nullptr, nullptr);
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(target_port_);
  EPLB_CHECK(connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  for (int waited = 0; !stopping_ && waited < first_delay_milliseconds_; waited += kPollMilliseconds) {
    poll(nullptr, 0, kPollMilliseconds);
  }
  bool open = true;
  while (!stopping_ && open && !frozen_) {
    if (IsReadable(client)) open = PassOn(client, server);
    while (open && !frozen_ && IsReadable(server)) open = PassOn(server, client);
  }
  while (!stopping_ && open) poll(nullptr, 0, kPollMilliseconds);
  close(client);
  close(server);
}

}  // namespace eplb::testing
