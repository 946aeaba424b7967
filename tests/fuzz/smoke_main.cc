// Stands in for libFuzzer where the compiler has none: feeds a fuzz target its corpus and seeded random mutations of
// it, the same every time. Usage: target CORPUS_DIRECTORY [ROUNDS]

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kDefaultRounds = 50000;
constexpr std::size_t kMaxBytes = 1 << 14;
constexpr int kMaxMutations = 6;

void Feed(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::vector<std::string> ReadCorpus(const std::string& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string Next() {
    std::string input = Pick(corpus_);
    const std::size_t mutations = 1 + Below(kMaxMutations);
    for (std::size_t i = 0; i < mutations; ++i) Mutate(input);
    input.resize(std::min(input.size(), kMaxBytes));
    return input;
  }

 private:
  std::size_t Below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random_() % bound); }
  const std::string& Pick(const std::vector<std::string>& from) { return from[Below(from.size())]; }

  void Mutate(std::string& input) {
    const std::size_t position = Below(input.size() + 1);
    const std::size_t length = Below(std::min<std::size_t>(input.size() - position, 32) + 1);
    switch (Below(7)) {
      case 0:  // one bit
        if (position < input.size()) input[position] = static_cast<char>(input[position] ^ (1 << Below(8)));
        break;
      case 1:  // one byte
        if (position < input.size()) input[position] = static_cast<char>(Below(256));
        break;
      case 2:
        input.erase(position, length);
        break;
      case 3:
        input.insert(position, input.substr(position, length));
        break;
      case 4:
        input.insert(position, Pick(kTokens));
        break;
      case 5:  // cut off
        input.resize(position);
        break;
      default: {  // a piece of another input
        const std::string& other = Pick(corpus_);
        input.insert(position, other.substr(Below(other.size() + 1), Below(64)));
      }
    }
  }

  // What breaks parsers of text and of binary headers.
  const std::vector<std::string> kTokens = {"-1",
                                            "0",
                                            "1e999",
                                            "nan",
                                            "inf",
                                            "18446744073709551616",
                                            "2147483648",
                                            ",",
                                            "\n",
                                            "[",
                                            "]",
                                            "{",
                                            "}",
                                            "\"",
                                            ":",
                                            "(",
                                            ")",
                                            "'",
                                            " ",
                                            std::string(4, '\xff'),
                                            std::string(4, '\0')};
  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_{20240229};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY [ROUNDS]\n", argv[0]);
    return 2;
  }
  std::vector<std::string> corpus = ReadCorpus(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no files\n", argv[1]);
    return 2;
  }
  Feed("");
  for (const std::string& input : corpus) Feed(input);
  Mutator mutator(corpus);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : kDefaultRounds;
  for (int round = 0; round < rounds; ++round) Feed(mutator.Next());
  std::printf("%zu inputs and %d mutations\n", corpus.size(), rounds);
  return 0;
}
