#ifndef EPLB_CLIENT_EPLBCTL_LIVE_SCREEN_H_
#define EPLB_CLIENT_EPLBCTL_LIVE_SCREEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eplb {

// Where a view is drawn again and again. On a terminal it has the whole screen, which is as it was before once this
// object ends, or a signal ends the program; elsewhere each drawing is appended. At most one at a time. Not
// thread-safe.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Shows the text in place of what was shown before; what does not fit is cut off. UNKNOWN where that fails.
  absl::Status Draw(const std::string& text);

  // Waits. True where the user asked to leave: q or Ctrl-C on a terminal.
  bool WaitForQuit(absl::Duration time);

 private:
  bool redraws_ = false;  // the standard output is a terminal
  bool keys_ = false;     // the standard input is one too
};

// The lines that fit on a screen of so many rows, each cleared to its end; the last row says how many are missing.
// Exposed for tests.
std::string FitToRows(const std::string& text, int rows);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_LIVE_SCREEN_H_
