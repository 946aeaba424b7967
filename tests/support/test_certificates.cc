#include "tests/support/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdint>

#include "server/base/check.h"

namespace eplb::testing {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

// What `write` writes to a memory BIO.
template <typename Write>
std::string ToPem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  EPLB_CHECK(write(bio.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

void AddExtension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  EPLB_CHECK(extension != nullptr && X509_add_ext(&certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

std::uint32_t RandomSerial() {
  std::uint32_t serial = 0;
  EPLB_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1);
  return serial >> 1;
}

std::string CertificatePem(X509& certificate) {
  return ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, &certificate); });
}

}  // namespace

TestAuthority::Certificate TestAuthority::Make(const std::string& common_name, EVP_PKEY& key, absl::Duration validity) {
  Certificate certificate(X509_new(), &X509_free);
  EPLB_CHECK(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), RandomSerial());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -absl::ToInt64Seconds(kDay));
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), absl::ToInt64Seconds(validity));
  EPLB_CHECK(X509_set_pubkey(certificate.get(), &key) == 1);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return certificate;
}

TestAuthority::TestAuthority()
    : key_(EVP_EC_gen("P-256"), &EVP_PKEY_free), certificate_(Make("test authority", *key_, 2 * kDay)) {
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(*certificate_, *certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(*certificate_, *certificate_, NID_key_usage, "critical,keyCertSign");
  EPLB_CHECK(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) != 0);
}

std::string TestAuthority::certificate() const { return CertificatePem(*certificate_); }

TestCertificate TestAuthority::Issue(const std::string& common_name, const std::string& subject_alternative_names,
                                     absl::Duration validity) const {
  const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const Certificate certificate = Make(common_name, *key, validity);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(*certificate, *certificate_, NID_subject_alt_name, subject_alternative_names);
  EPLB_CHECK(X509_sign(certificate.get(), key_.get(), EVP_sha256()) != 0);
  return {.certificate = CertificatePem(*certificate), .private_key = ToPem([&](BIO* bio) {
                                                         return PEM_write_bio_PrivateKey(bio, key.get(), nullptr,
                                                                                         nullptr, 0, nullptr, nullptr);
                                                       })};
}

}  // namespace eplb::testing
