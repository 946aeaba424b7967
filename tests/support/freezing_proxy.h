#ifndef EPLB_TESTS_SUPPORT_FREEZING_PROXY_H_
#define EPLB_TESTS_SUPPORT_FREEZING_PROXY_H_

#include <atomic>
#include <string>
#include <thread>

namespace eplb::testing {

// Carries one TCP connection to a local port, until it is told to freeze: from then on nothing passes and nothing is
// closed, as when a cable is cut or a machine loses its power.
class FreezingProxy {
 public:
  // Nothing passes until `first_delay_milliseconds` after the connection came, as over a long or crowded way.
  explicit FreezingProxy(int target_port, int first_delay_milliseconds = 0);
  ~FreezingProxy();
  FreezingProxy(const FreezingProxy&) = delete;
  FreezingProxy& operator=(const FreezingProxy&) = delete;

  std::string address() const;
  void Freeze() { frozen_ = true; }

 private:
  void Carry();

  const int target_port_;
  const int first_delay_milliseconds_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> frozen_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_FREEZING_PROXY_H_
