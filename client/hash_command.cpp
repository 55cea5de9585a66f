// SPDX-License-Identifier: MIT
#include "client/hash_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "client/json.h"
#include "client/text.h"
#include "mrt/uv/clock.h"
#include "node/uv/descriptor.h"
#include "node/uv/file_hasher.h"

namespace client {

namespace {

struct Hashed {
  node::FileHash hash{};
  uint64_t size = 0;
  int error = 0;  // an errno
};

Hashed hash_file(const std::string& path) {
  // Without O_NONBLOCK a FIFO would be waited for.
  const node::uv::Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || fstat(file.fd(), &info) != 0) return {.error = errno};
  if (S_ISDIR(info.st_mode)) return {.error = EISDIR};
  if (!S_ISREG(info.st_mode)) return {.error = EINVAL};
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > node::file_bytes_max) return {.error = EFBIG};
  node::uv::FileHasher hasher(file.fd(), size);
  using State = node::uv::FileHasher::State;
  State state = State::going_on;
  while (state == State::going_on) state = hasher.go_on();
  if (state == State::failed) return {.error = errno};
  if (state == State::cut_short) return {.error = EIO};
  return {hasher.tree().root(), size};
}

void print(FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

}  // namespace

std::string hash_line(const std::string& hash, const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    escaped += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
  }
  return fmt::format("{}{}  {}\n", escaped == name ? "" : "\\", hash, escaped);
}

ExitCode run_hash(const Options& options) {
  ExitCode code = ExitCode::done;
  for (const std::string& path : options.files) {
    const Hashed hashed = hash_file(path);
    if (hashed.error == 0 && options.json) {
      print(stdout, hash_json(path, hashed.size, hashed.hash, mrt::uv::wall_clock_ms()));
    } else if (hashed.error == 0) {
      print(stdout, hash_line(hashed.hash.to_string(), path));
    } else {
      const bool missing = hashed.error == ENOENT || hashed.error == ENOTDIR;
      if (code != ExitCode::failed) code = missing ? ExitCode::not_found : ExitCode::failed;
      const std::string why =
          hashed.error == EINVAL ? "not a regular file" : std::strerror(hashed.error);
      const Failed failed{missing ? node::ErrorCode::not_found : node::ErrorCode::disk,
                          fmt::format("{}: {}", clean(path), why), "hash"};
      if (options.json) print(stdout, to_json(failed, mrt::uv::wall_clock_ms()));
      print(stderr, options.json ? "" : "thuban: " + failed.message + '\n');
    }
  }
  return code;
}

}  // namespace client
