// SPDX-License-Identifier: MIT
#include "client/access.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "client/terminal_password.h"
#include "client/text.h"
#include "mrt/base/secret.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

// 128 bits: nobody guesses them, and the invite stays short.
constexpr size_t random_secret_bytes = 16;

/// The password with a line end behind it, and one byte that tells that there is more.
using Room = mrt::SecretArray<password_bytes_max + 3>;

/// Bytes read; nothing, and errno, where that fails. A pipe is waited for.
std::optional<size_t> read_all(int fd, Room& room) {
  size_t size = 0;
  while (size < Room::size()) {
    const ssize_t got = read(fd, room.data() + size, Room::size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  return size;
}

bool is_read_by_others(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & (S_IRGRP | S_IROTH));
}

/// The mistake that a password is, where it is one; else empty.
std::string mistake_in(mrt::ByteView password) {
  if (password.empty()) return "there is no password in it";
  if (password.size() <= password_bytes_max) return "";
  return fmt::format("a password has at most {} bytes", password_bytes_max);
}

mrt::ByteView without_line_end(mrt::ByteView text) {
  if (!text.empty() && text.back() == '\n') {
    text = text.first(text.size() - 1);
    if (!text.empty() && text.back() == '\r') text = text.first(text.size() - 1);
  }
  return text;
}

mrt::NetworkKey random_key() {
  mrt::Random::Seed seed = mrt::uv::entropy_seed();
  const mrt::ByteView secret = mrt::ByteView(seed).first(random_secret_bytes);
  mrt::NetworkKey key{mrt::Access::secret, {secret.begin(), secret.end()}};
  mrt::wipe(seed);
  return key;
}

std::optional<mrt::Bytes> password_of_variable(std::string& why) {
  const char* const text = std::getenv("THUBAN_PASSWORD");
  const mrt::ByteView password = mrt::as_bytes(text ? text : "");
  why = mistake_in(password);
  if (why.empty()) return mrt::Bytes(password.begin(), password.end());
  why = "THUBAN_PASSWORD: " + why;
  return std::nullopt;
}

std::optional<mrt::Bytes> password_of_terminal(const Options& options, std::string& why) {
  auto password = ask_terminal(password_question(options.network), why);
  if (!password) why = "--ask-password: " + why;
  return password;
}

}  // namespace

std::optional<mrt::Bytes> read_password_file(const std::string& path, std::string& warning,
                                             std::string& why) {
  const std::string name = clean(path, 80);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  Room room;
  const auto size = fd < 0 ? std::nullopt : read_all(fd, room);
  if (!size) {
    why = fmt::format("--password-file: cannot read {}: {}", name, std::strerror(errno));
    if (fd >= 0) close(fd);
    return std::nullopt;
  }
  if (is_read_by_others(fd)) warning = fmt::format("others can read {}: chmod 600 it", name);
  close(fd);
  const mrt::ByteView password = without_line_end(room.view().first(*size));
  why = mistake_in(password);
  if (why.empty()) return mrt::Bytes(password.begin(), password.end());
  why = fmt::format("--password-file: {}: {}", name, why);
  return std::nullopt;
}

std::optional<mrt::NetworkKey> own_key(const Options& options, std::string& warning,
                                       std::string& why) {
  std::optional<mrt::Bytes> password;
  switch (options.password_from) {
    case PasswordFrom::nowhere:
      // Without encryption nothing can be asked of anybody.
      return options.open || options.plain ? mrt::NetworkKey{} : random_key();
    case PasswordFrom::file:
      password = read_password_file(options.password_file, warning, why);
      break;
    case PasswordFrom::variable:
      password = password_of_variable(why);
      break;
    case PasswordFrom::terminal:
      password = password_of_terminal(options, why);
      break;
  }
  if (!password) return std::nullopt;
  return mrt::NetworkKey{mrt::Access::password, std::move(*password)};
}

bool can_ask(const Options& options) {
  return options.may_ask && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

std::string password_question(const std::string& network) {
  return fmt::format("password for network {}: ", clean(network));
}

}  // namespace client
