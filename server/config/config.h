#ifndef EPLB_SERVER_CONFIG_CONFIG_H_
#define EPLB_SERVER_CONFIG_CONFIG_H_

#include <string>
#include <utility>

#include "eplb/config/v1/config.pb.h"

namespace eplb {

// A server's configuration that passed every check: each setting is set, within its bounds, and fits the others.
// Immutable; copies are cheap enough for once per process. Only LoadConfig makes one.
class Config {
 public:
  const config::v1::ServerConfig& proto() const { return proto_; }

  // All settings as textproto, which a file may hold.
  std::string ToText() const;

 private:
  friend class ConfigLoader;
  explicit Config(config::v1::ServerConfig proto) : proto_(std::move(proto)) {}

  config::v1::ServerConfig proto_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_CONFIG_H_
