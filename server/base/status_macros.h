#ifndef EPLB_SERVER_BASE_STATUS_MACROS_H_
#define EPLB_SERVER_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define EPLB_STATUS_CONCAT_INNER(a, b) a##b
#define EPLB_STATUS_CONCAT(a, b) EPLB_STATUS_CONCAT_INNER(a, b)

// Returns from the enclosing function when the expression's absl::Status is not OK.
#define EPLB_RETURN_IF_ERROR(expression)       \
  do {                                         \
    absl::Status eplb_status = (expression);   \
    if (!eplb_status.ok()) return eplb_status; \
  } while (false)

// The arguments are declarations and expressions, not values: parentheses would change them.
// NOLINTBEGIN(bugprone-macro-parentheses)

// EPLB_ASSIGN_OR_RETURN(auto value, Function()): moves the value out of an absl::StatusOr, or returns its status.
#define EPLB_ASSIGN_OR_RETURN(declaration, expression) \
  EPLB_ASSIGN_OR_RETURN_INNER(EPLB_STATUS_CONCAT(eplb_status_or_, __LINE__), declaration, expression)
#define EPLB_ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                        \
  if (!temporary.ok()) return std::move(temporary).status();            \
  declaration = std::move(temporary).value()

// NOLINTEND(bugprone-macro-parentheses)

#endif  // EPLB_SERVER_BASE_STATUS_MACROS_H_
