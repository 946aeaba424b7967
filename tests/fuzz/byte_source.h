#ifndef EPLB_TESTS_FUZZ_BYTE_SOURCE_H_
#define EPLB_TESTS_FUZZ_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace eplb::fuzz {

// Turns a fuzzer's bytes into numbers; past the end everything is 0, so that each prefix is an input too.
class ByteSource {
 public:
  explicit ByteSource(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint8_t Byte() { return next_ < bytes_.size() ? bytes_[next_++] : std::uint8_t{0}; }
  // A whole number in [low, high], high - low < 65536.
  int Int(int low, int high) {
    const int raw = (static_cast<int>(Byte()) << 8) | static_cast<int>(Byte());
    return low + raw % (high - low + 1);
  }
  bool Flag() { return (Byte() & 1) != 0; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t next_ = 0;
};

}  // namespace eplb::fuzz

#endif  // EPLB_TESTS_FUZZ_BYTE_SOURCE_H_
