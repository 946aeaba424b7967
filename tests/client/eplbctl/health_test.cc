// `eplbctl health`: what a container's probe sees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/eplbctl/eplbctl.h"
#include "tests/support/in_process_server.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;

TEST(HealthTest, FollowsTheServer) {
  InProcessServer server({.server = {.health_listen_address = "127.0.0.1:0"}});
  const std::vector<std::string> whole = {"health", server.health_address()};
  const std::vector<std::string> service = {"health", server.health_address(), "--service", "eplb.v1.EplbService"};

  server.server().SetServing(true);
  for (const auto& arguments : {whole, service}) {
    const ProgramResult result = RunEplbctl(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, "SERVING\n");
  }

  server.server().StartDraining();
  for (const auto& arguments : {whole, service}) {
    const ProgramResult result = RunEplbctl(arguments);
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err, HasSubstr("NOT_SERVING"));
    EXPECT_EQ(result.out, "");
  }
}

TEST(HealthTest, NamesAServiceThatIsNotThere) {
  InProcessServer server;
  const ProgramResult result = RunEplbctl({"health", server.address(), "--service", "no.such.Service"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("no.such.Service"));
}

TEST(HealthTest, TellsThatNobodyListens) {
  const ProgramResult result = RunEplbctl({"health", "127.0.0.1:1", "--timeout", "5"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:1"));
}

TEST(HealthTest, NeedsAnAddress) { EXPECT_EQ(RunEplbctl({"health"}).exit_code, 2); }

}  // namespace
}  // namespace eplb::testing
