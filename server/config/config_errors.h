#ifndef EPLB_SERVER_CONFIG_CONFIG_ERRORS_H_
#define EPLB_SERVER_CONFIG_CONFIG_ERRORS_H_

#include <string>
#include <string_view>
#include <vector>

namespace eplb {

// Everything wrong with a configuration, so that it is all told at once. Keeps the first kMaxErrors and counts the
// rest, so that a hostile file cannot make it grow. Not thread-safe.
class ConfigErrors {
 public:
  static constexpr std::size_t kMaxErrors = 100;

  // `where` is the flag ("--grpc.max_threads") or the position in a file ("server.json:3:5"); `value` is what was
  // given, empty where there is nothing to quote; `rule` is what it broke. Control characters are replaced.
  void Add(std::string_view where, std::string_view value, std::string_view rule);

  bool empty() const { return lines_.empty(); }
  // One finished line for each error, in the order found.
  const std::vector<std::string>& lines() const { return lines_; }
  // All lines, each ended by a newline, with a last one that counts those left out.
  std::string ToText() const;

 private:
  std::vector<std::string> lines_;
  int dropped_ = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_CONFIG_ERRORS_H_
