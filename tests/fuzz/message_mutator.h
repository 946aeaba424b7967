#ifndef EPLB_TESTS_FUZZ_MESSAGE_MUTATOR_H_
#define EPLB_TESTS_FUZZ_MESSAGE_MUTATOR_H_

#include <google/protobuf/message.h>

#include "tests/fuzz/byte_source.h"

namespace eplb::fuzz {

// Changes one field of the message, or of one within it, as the bytes say: sets it to what breaks conversions (bounds
// of the type, negative and non-finite numbers, unknown enumerators), clears it, or adds, drops or repeats an entry.
// Changes of bytes on the wire seldom get that far: most leave no message.
void MutateMessage(ByteSource& bytes, google::protobuf::Message& message);

}  // namespace eplb::fuzz

#endif  // EPLB_TESTS_FUZZ_MESSAGE_MUTATOR_H_
