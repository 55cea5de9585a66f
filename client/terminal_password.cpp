// SPDX-License-Identifier: MIT
#include "client/terminal_password.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "client/access.h"
#include "mrt/base/secret.h"

namespace client {

namespace {

// They would leave the terminal without echo, were they not held back until it has it again.
constexpr std::array watched = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

volatile std::sig_atomic_t caught = 0;

/// A terminal that shows nothing of what is typed, until this object goes.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    tcgetattr(terminal_, &before_);
    struct sigaction note {};
    note.sa_handler = [](int number) { caught = number; };
    for (size_t i = 0; i < watched.size(); ++i) sigaction(watched[i], &note, &actions_[i]);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ICANON | ISIG | ECHONL;
    tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  ~Silence() {
    tcsetattr(terminal_, TCSADRAIN, &before_);
    for (size_t i = 0; i < watched.size(); ++i) sigaction(watched[i], &actions_[i], nullptr);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int terminal_;
  termios before_{};
  std::array<struct sigaction, watched.size()> actions_{};
};

/// One line, or less where a signal was caught or the terminal is gone.
mrt::Bytes read_line(int terminal) {
  mrt::SecretArray<password_bytes_max + 2> room;
  size_t size = 0;
  while (size < room.size() && caught == 0) {
    const ssize_t got = read(terminal, room.data() + size, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || room.data()[size] == '\n') break;
    ++size;
  }
  return {room.data(), room.data() + size};
}

}  // namespace

std::optional<mrt::Bytes> ask_terminal(std::string_view question, std::string& why) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) {
    why = "there is no terminal to ask on";
    return std::nullopt;
  }
  mrt::Bytes line;
  do {
    caught = 0;
    mrt::wipe(line);
    {
      const Silence silence(terminal);
      // Written when the echo is off: what is typed from now on is not shown.
      if (write(terminal, question.data(), question.size()) >= 0) line = read_line(terminal);
    }
    // What it means for the program it means now. After Ctrl-Z and a sleep it asks again.
    if (caught != 0 && write(terminal, "\n", 1) >= 0) {
      std::raise(caught == SIGTSTP ? SIGSTOP : static_cast<int>(caught));
    }
  } while (caught == SIGTSTP);
  close(terminal);
  const bool usable = caught == 0 && !line.empty() && line.size() <= password_bytes_max;
  if (usable) return line;
  why = caught != 0    ? "interrupted"
        : line.empty() ? "nothing was typed"
                       : fmt::format("a password has at most {} bytes", password_bytes_max);
  mrt::wipe(line);
  return std::nullopt;
}

}  // namespace client
