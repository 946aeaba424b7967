#include "server/rpc/authorizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace eplb {
namespace {

using ::testing::HasSubstr;

bool Allows(const AuthorizationRule& rule, const PeerIdentities& peer, Role role, std::string_view deployment) {
  return Authorizer({.enabled = true, .rules = {rule}}).Check(peer, role, deployment).ok();
}

TEST(AuthorizerTest, DisabledAllowsEverything) {
  EXPECT_TRUE(Authorizer({}).Check({}, Role::kController, "prod/r1").ok());
}

TEST(AuthorizerTest, EnabledWithoutRulesAllowsNothing) {
  EXPECT_FALSE(Authorizer({.enabled = true}).Check({"anyone"}, Role::kViewer, "").ok());
}

TEST(AuthorizerTest, IdentitiesMatchWholeOrByTheirStart) {
  EXPECT_TRUE(Allows({"a.b"}, {"x", "a.b"}, Role::kViewer, ""));
  EXPECT_FALSE(Allows({"a.b"}, {"a.bc"}, Role::kViewer, ""));
  EXPECT_TRUE(Allows({"a.b*"}, {"a.bc"}, Role::kViewer, ""));
  EXPECT_TRUE(Allows({"a.b*"}, {"a.b"}, Role::kViewer, ""));
  EXPECT_FALSE(Allows({"*.b"}, {"a.b"}, Role::kViewer, "")) << "only an end may be left open";
  EXPECT_FALSE(Allows({"a*"}, {}, Role::kViewer, ""));
  EXPECT_TRUE(Allows({"*"}, {}, Role::kViewer, "")) << "also without a certificate";
}

TEST(AuthorizerTest, EveryRoleReadsAndNoOtherIsImplied) {
  for (const Role role : {Role::kViewer, Role::kWorker, Role::kController}) {
    EXPECT_TRUE(Allows({"a", role}, {"a"}, Role::kViewer, "d"));
    EXPECT_TRUE(Allows({"a", role}, {"a"}, role, "d"));
  }
  EXPECT_FALSE(Allows({"a", Role::kController}, {"a"}, Role::kWorker, "d"));
  EXPECT_FALSE(Allows({"a", Role::kWorker}, {"a"}, Role::kController, "d"));
  EXPECT_FALSE(Allows({"a", Role::kViewer}, {"a"}, Role::kWorker, "d"));
}

TEST(AuthorizerTest, RulesAreForTheirDeployments) {
  EXPECT_TRUE(Allows({"a", Role::kViewer, "prod/"}, {"a"}, Role::kViewer, "prod/r1"));
  EXPECT_FALSE(Allows({"a", Role::kViewer, "prod/"}, {"a"}, Role::kViewer, "production"));
  EXPECT_FALSE(Allows({"a", Role::kViewer, "prod/"}, {"a"}, Role::kViewer, "")) << "a call that names none";
}

TEST(AuthorizerTest, RefusalsSayWhatIsMissing) {
  const Authorizer authorizer({.enabled = true});
  const absl::Status status = authorizer.Check({"spiffe://x", "y"}, Role::kController, "prod/r1");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(std::string(status.message()), "spiffe://x lacks the role controller for deployment prod/r1");
  EXPECT_THAT(std::string(authorizer.Check({}, Role::kViewer, "").message()), HasSubstr("without a certificate"));
}

}  // namespace
}  // namespace eplb
