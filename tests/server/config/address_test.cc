#include "server/config/address.h"

#include <gtest/gtest.h>

namespace eplb {
namespace {

TEST(ParseAddress, TakesNamesAndBothKindsOfNumbers) {
  EXPECT_EQ(ParseAddress("localhost:0"), (Address{.host = "localhost", .port = 0}));
  EXPECT_EQ(ParseAddress("0.0.0.0:65535"), (Address{.host = "0.0.0.0", .port = 65535}));
  EXPECT_EQ(ParseAddress("[::1]:50051"), (Address{.host = "::1", .port = 50051}));
  EXPECT_EQ(ParseAddress("node-1.rack_2:1"), (Address{.host = "node-1.rack_2", .port = 1}));
}

TEST(ParseAddress, WritesWhatItRead) {
  for (const char* text : {"localhost:0", "0.0.0.0:65535", "[::1]:50051", "[fe80::1]:1"}) {
    EXPECT_EQ(ParseAddress(text)->ToString(), text);
  }
}

TEST(ParseAddress, RefusesTheRest) {
  for (const char* text :
       {"", ":", ":1", "localhost", "localhost:", "localhost:65536", "localhost:-1", "localhost:+1", "localhost:1 ",
        "::1:1", "[::1]", "[x]:1", "1.2.3:4", "1.2.3.400:1", "a b:1", "a/b:1", "unix:///x:1"}) {
    EXPECT_FALSE(ParseAddress(text).has_value()) << text;
  }
}

TEST(Address, KnowsLoopback) {
  for (const char* text : {"localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1"}) {
    EXPECT_TRUE(ParseAddress(text)->is_loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1", "128.0.0.1:1"}) {
    EXPECT_FALSE(ParseAddress(text)->is_loopback()) << text;
  }
}

}  // namespace
}  // namespace eplb
