#include "server/rpc/certificate_expiry.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>

namespace eplb {
namespace {

using File = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate ReadNext(BIO& file) {
  const auto no_password = [](char*, int, int, void*) { return 0; };  // asks nobody
  return {PEM_read_bio_X509(&file, nullptr, no_password, nullptr), &X509_free};
}

std::optional<absl::Time> EndOf(const X509& certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &end) != 1) return std::nullopt;
  return absl::FromTM(end, absl::UTCTimeZone());
}

}  // namespace

std::optional<absl::Time> CertificateExpiry(const std::string& path) {
  const File file(BIO_new_file(path.c_str(), "r"), &BIO_free);
  std::optional<absl::Time> first;
  while (file != nullptr) {
    const Certificate certificate = ReadNext(*file);
    if (certificate == nullptr) break;
    const std::optional<absl::Time> end = EndOf(*certificate);
    if (end) first = std::min(first.value_or(absl::InfiniteFuture()), *end);
  }
  ERR_clear_error();
  return first;
}

}  // namespace eplb
