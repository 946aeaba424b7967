#include "client/eplbctl/live/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/eplbctl/output.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

// Another screen, no cursor, long lines cut; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";
// From the top left corner, without clearing first: that would flicker.
constexpr char kHome[] = "\x1b[H";
constexpr char kClearToEndOfLine[] = "\x1b[K";
constexpr char kClearBelow[] = "\x1b[J";
constexpr char kControlC = 3;
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

termios saved_terminal;
bool terminal_saved = false;

// Calls nothing that a signal handler must not.
void RestoreTerminal() {
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, kLeave.data(), kLeave.size());
  if (terminal_saved) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
}

void RestoreAndDie(int signal) {
  RestoreTerminal();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

int ScreenRows() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

// Keys come one by one, unseen, Ctrl-C among them.
bool ReadKeysOneByOne() {
  if (::isatty(STDIN_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &saved_terminal) != 0) return false;
  terminal_saved = true;
  termios raw = saved_terminal;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  return ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

absl::Status PrintNow(const std::string& text) {
  EPLB_RETURN_IF_ERROR(PrintText(text));
  return std::fflush(stdout) == 0 ? absl::OkStatus() : absl::UnknownError("the standard output cannot be written");
}

}  // namespace

std::string FitToRows(const std::string& text, int rows) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  const auto room = static_cast<std::size_t>(rows);
  const std::size_t shown = lines.size() <= room ? lines.size() : room - 1;
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : "\r\n", lines[i], kClearToEndOfLine);
  }
  if (shown < lines.size()) {
    absl::StrAppend(&out, shown == 0 ? "" : "\r\n", "... ", lines.size() - shown, " more lines", kClearToEndOfLine);
  }
  return out;
}

Screen::Screen() : redraws_(::isatty(STDOUT_FILENO) == 1) {
  if (!redraws_) return;
  keys_ = ReadKeysOneByOne();
  for (const int signal : kSignals) std::signal(signal, RestoreAndDie);
  std::fwrite(kEnter.data(), 1, kEnter.size(), stdout);
}

Screen::~Screen() {
  if (!redraws_) return;
  std::fflush(stdout);
  RestoreTerminal();
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

absl::Status Screen::Draw(const std::string& text) {
  return PrintNow(redraws_ ? absl::StrCat(kHome, FitToRows(text, ScreenRows()), kClearBelow) : text);
}

bool Screen::WaitForQuit(absl::Duration time) {
  const absl::Time end = absl::Now() + time;
  while (true) {
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    if (!keys_) {
      absl::SleepFor(left);
      continue;
    }
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&input, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <= 0) continue;
    char key = 0;
    if (::read(STDIN_FILENO, &key, 1) != 1) {
      keys_ = false;  // the terminal is gone
    } else if (key == 'q' || key == 'Q' || key == kControlC) {
      return true;
    }
  }
}

}  // namespace eplb
