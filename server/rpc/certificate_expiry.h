#ifndef EPLB_SERVER_RPC_CERTIFICATE_EXPIRY_H_
#define EPLB_SERVER_RPC_CERTIFICATE_EXPIRY_H_

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace eplb {

// When the first of the certificates in a PEM file, of the server or of its chain, stops being valid. Nothing where the
// file cannot be read or holds none. Reads the file each time, so that a replaced one counts at once; thread-safe.
std::optional<absl::Time> CertificateExpiry(const std::string& path);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CERTIFICATE_EXPIRY_H_
