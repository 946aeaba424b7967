#ifndef EPLB_SERVER_CONFIG_HELP_H_
#define EPLB_SERVER_CONFIG_HELP_H_

#include <string>

namespace eplb {

// The whole --help text, made from the schema: every setting by section, with what it accepts and its default.
std::string HelpText();

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_HELP_H_
