#ifndef EPLB_TESTS_SUPPORT_TEST_CERTIFICATES_H_
#define EPLB_TESTS_SUPPORT_TEST_CERTIFICATES_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace eplb::testing {

// A certificate and its private key, both PEM.
struct TestCertificate {
  std::string certificate;
  std::string private_key;
};

// An authority of its own that issues certificates for tests; everything is made anew each time.
class TestAuthority {
 public:
  TestAuthority();

  // PEM of the authority's own certificate.
  std::string certificate() const;
  // subject_alternative_names as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1" or "URI:spiffe://...".
  TestCertificate Issue(const std::string& common_name, const std::string& subject_alternative_names,
                        absl::Duration validity = absl::Hours(24)) const;

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static Certificate Make(const std::string& common_name, EVP_PKEY& key, absl::Duration validity);

  Key key_;
  Certificate certificate_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_TEST_CERTIFICATES_H_
