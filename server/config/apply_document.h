#ifndef EPLB_SERVER_CONFIG_APPLY_DOCUMENT_H_
#define EPLB_SERVER_CONFIG_APPLY_DOCUMENT_H_

#include <google/protobuf/message.h>

#include <string_view>

#include "server/config/config_errors.h"
#include "server/config/document.h"

namespace eplb {

// Sets in `config` what the document says. Reports every key that is unknown, given twice or of the wrong shape, and
// every value that breaks its bounds, each with line and column; the settings concerned stay as they were.
void ApplyDocument(std::string_view file_name, const DocumentNode& document, google::protobuf::Message& config,
                   ConfigErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_APPLY_DOCUMENT_H_
