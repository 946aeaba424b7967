#include "server/log/logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// What a logger wrote, once it has ended.
template <typename Use>
std::string LogOf(const LoggerOptions& options, const Use& use) {
  std::ostringstream out;
  {
    testing::FakeClock clock;
    Logger logger(options, clock, std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    use(logger, clock);
  }
  return out.str();
}

std::string TextOf(std::initializer_list<LogField> fields) {
  const std::string line =
      LogOf({}, [&](Logger& logger, testing::FakeClock&) { logger.Log(LogLevel::kInfo, "e", fields); });
  return line.substr(line.find("event="));
}

nlohmann::json JsonOf(std::initializer_list<LogField> fields) {
  return nlohmann::json::parse(LogOf({.format = LogFormat::kJson}, [&](Logger& logger, testing::FakeClock&) {
    logger.Log(LogLevel::kInfo, "e", fields);
  }));
}

TEST(Logger, WritesTimeLevelEventAndFields) {
  const std::string line = LogOf({}, [](Logger& logger, testing::FakeClock&) {
    logger.Log(LogLevel::kWarning, "worker_expired", {{"worker", "host-1/0"}, {"silence", absl::Milliseconds(1500)}});
  });
  EXPECT_THAT(line, MatchesRegex("time=[-0-9]+T[:.0-9]+Z level=warning event=worker_expired worker=host-1/0 "
                                 "silence=1.5\n"));
}

TEST(Logger, WritesNumbersPlainly) {
  EXPECT_EQ(TextOf({{"i", -3}, {"u", std::size_t{7}}, {"d", 0.25}, {"b", true}, {"n", 0.0 / 1}}),
            "event=e i=-3 u=7 d=0.25 b=true n=0\n");
}

TEST(Logger, TextCannotMakeUpLinesKeysOrTerminalCommands) {
  EXPECT_EQ(TextOf({{"v", ""}}), "event=e v=\"\"\n");
  EXPECT_EQ(TextOf({{"v", "a b"}}), "event=e v=\"a b\"\n");
  EXPECT_EQ(TextOf({{"v", "x level=error"}}), "event=e v=\"x level=error\"\n");
  EXPECT_EQ(TextOf({{"v", "a\nb\x1b[31m\x7f"}}), "event=e v=\"a\\nb\\u001b[31m\\u007f\"\n");
  EXPECT_EQ(TextOf({{"v", "q\"\\"}}), "event=e v=\"q\\\"\\\\\"\n");
  EXPECT_EQ(TextOf({{"v", "\u009b"}}), "event=e v=\"\\u009b\"\n") << "C1 controls too";
  EXPECT_EQ(TextOf({{"v", "\xff"}}), "event=e v=\"\\ufffd\"\n") << "malformed UTF-8";
  EXPECT_EQ(TextOf({{"v", "{} %s"}}), "event=e v=\"{} %s\"\n") << "not a format";
}

TEST(Logger, LongTextIsCut) {
  const std::string text = TextOf({{"v", std::string(100'000, 'x')}});
  EXPECT_LT(text.size(), 1100U);
  EXPECT_THAT(text, HasSubstr("...\"\n"));
}

TEST(Logger, JsonIsOneObjectALine) {
  const nlohmann::json line =
      JsonOf({{"text", "a\n\"b\" \xff"}, {"i", 3}, {"d", std::numeric_limits<double>::infinity()}, {"b", false}});
  EXPECT_EQ(line["event"], "e");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["text"], "a\n\"b\" \ufffd");
  EXPECT_EQ(line["i"], 3);
  EXPECT_TRUE(line["d"].is_null());
  EXPECT_EQ(line["b"], false);
}

TEST(Logger, WritesOnlyFromItsLevelUp) {
  const auto all_levels = [](Logger& logger, testing::FakeClock&) {
    logger.Log(LogLevel::kDebug, "d");
    logger.Log(LogLevel::kInfo, "i");
    logger.Log(LogLevel::kError, "e");
  };
  EXPECT_THAT(LogOf({}, all_levels), Not(HasSubstr("event=d")));
  EXPECT_THAT(LogOf({.level = LogLevel::kTrace}, all_levels), HasSubstr("event=d"));
  EXPECT_THAT(LogOf({.level = LogLevel::kError}, all_levels), Not(HasSubstr("event=i")));
  EXPECT_EQ(LogOf({.level = LogLevel::kOff}, all_levels), "");
}

TEST(Logger, StormsAreLeftOutAndCounted) {
  const std::string text = LogOf({.most_warnings = 3}, [](Logger& logger, testing::FakeClock& clock) {
    for (int i = 0; i < 1000; ++i) logger.Log(LogLevel::kWarning, "storm", {{"i", i}});
    clock.Advance(Logger::kLimitWindow);
    logger.Log(LogLevel::kWarning, "storm", {{"i", 1000}});
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_THAT(text, HasSubstr("event=storm i=1000 left_out=997\n"));
}

}  // namespace
}  // namespace eplb
