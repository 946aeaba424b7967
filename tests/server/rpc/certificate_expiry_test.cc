#include "server/rpc/certificate_expiry.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/time/clock.h"
#include "tests/support/subprocess.h"
#include "tests/support/test_certificates.h"

namespace eplb {
namespace {

using testing::TemporaryDirectory;
using testing::TestAuthority;
using testing::TestCertificate;

// Seconds from now until the first certificate of the file ends.
double SecondsLeft(const std::string& path) {
  const std::optional<absl::Time> end = CertificateExpiry(path);
  EXPECT_TRUE(end.has_value());
  return absl::ToDoubleSeconds(end.value_or(absl::InfinitePast()) - absl::Now());
}

TEST(CertificateExpiry, IsTheEndOfTheCertificateThatEndsFirst) {
  const TestAuthority authority;
  const TestCertificate own = authority.Issue("server", "DNS:a", absl::Hours(90));
  const TestCertificate chain = authority.Issue("intermediate", "DNS:b", absl::Hours(2));
  TemporaryDirectory directory;
  EXPECT_NEAR(SecondsLeft(directory.Write("own", own.certificate)), 90 * 3600, 60);
  EXPECT_NEAR(SecondsLeft(directory.Write("chain", own.certificate + chain.certificate)), 2 * 3600, 60);
  EXPECT_NEAR(SecondsLeft(directory.Write("bundle", own.private_key + own.certificate)), 90 * 3600, 60)
      << "what is no certificate does not count";
}

TEST(CertificateExpiry, IsTheSameInEveryTimeZone) {
  const TestAuthority authority;
  TemporaryDirectory directory;
  const std::string path = directory.Write("own", authority.Issue("server", "DNS:a", absl::Hours(5)).certificate);
  setenv("TZ", "Pacific/Auckland", 1);
  tzset();
  EXPECT_NEAR(SecondsLeft(path), 5 * 3600, 60);
  unsetenv("TZ");
  tzset();
}

TEST(CertificateExpiry, FollowsAReplacedFile) {
  const TestAuthority authority;
  TemporaryDirectory directory;
  const std::string path = directory.Write("own", authority.Issue("server", "DNS:a", absl::Hours(1)).certificate);
  EXPECT_NEAR(SecondsLeft(path), 3600, 60);
  directory.Write("own", authority.Issue("server", "DNS:a", absl::Hours(3)).certificate);
  EXPECT_NEAR(SecondsLeft(path), 3 * 3600, 60);
}

TEST(CertificateExpiry, IsNothingWhereThereIsNoCertificate) {
  TemporaryDirectory directory;
  EXPECT_EQ(CertificateExpiry(directory.Path("missing")), std::nullopt);
  EXPECT_EQ(CertificateExpiry(directory.Write("text", "no certificate")), std::nullopt);
  EXPECT_EQ(CertificateExpiry(directory.Write("empty", "")), std::nullopt);
}

}  // namespace
}  // namespace eplb
