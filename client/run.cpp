// SPDX-License-Identifier: MIT
#include "client/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

#include "client/access.h"
#include "client/app.h"
#include "client/bench/bench.h"
#include "client/demo.h"
#include "client/doctor/doctor.h"
#include "client/hash_command.h"
#include "client/json.h"
#include "client/options.h"
#include "client/prompt_task.h"
#include "client/rendezvous_command.h"
#include "client/sim_command.h"
#include "client/tasks.h"
#include "client/text.h"
#include "mrt/uv/clock.h"
#include "node/uv/descriptor.h"

namespace client {

namespace {

/// A standard stream that was closed by whoever started us must not become a socket of ours.
void open_standard_streams() {
  while (true) {
    const int fd = open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO) close(fd);
    if (fd < 0 || fd > STDERR_FILENO) return;
  }
}

/// A mistake that shows before there is a node.
int fail_early(const Options& options, node::ErrorCode code, const std::string& message) {
  if (options.json) {
    const int64_t now = mrt::uv::wall_clock_ms();
    std::fputs(to_json(Failed{code, message, options.verb_text}, now).c_str(), stdout);
    std::fputs(to_json(Ended{"failed"}, now).c_str(), stdout);
  } else {
    std::fputs(fmt::format("thuban: {}\n", message).c_str(), stderr);
  }
  return static_cast<int>(exit_code_of(code));
}

/// A node at rest has some 20, and on a host of many links twice as many; a few come and go. Below
/// that libraries and loops would fail in the middle of something, each in its way.
constexpr size_t descriptors_min = 48;

bool has_descriptors() {
  std::vector<node::uv::Descriptor> all;
  while (all.size() < descriptors_min) {
    all.emplace_back(open("/", O_PATH | O_CLOEXEC));
    if (!all.back()) return false;
  }
  return true;
}

DemoOptions demo_options(const Options& options) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  const bool colour = options.colour == When::automatic ? terminal : options.colour == When::always;
  return {.step = options.step,
          .json = options.json,
          .colour = colour,
          .unicode = true,
          .animated = terminal && options.progress};
}

/// One run around a node, if the password can be had.
int run_app(const Options& options, Task& task) {
  std::string warning, why;
  auto key = own_key(options, warning, why);
  if (!key) return fail_early(options, node::ErrorCode::usage, why);
  if (!warning.empty()) std::fputs(fmt::format("thuban: warning: {}\n", warning).c_str(), stderr);
  return static_cast<int>(App(options, task, std::move(*key)).run());
}

int run_get(Options options) {
  std::string why;
  const auto task = GetTask::create(options, why);
  if (!task) return fail_early(options, node::ErrorCode::disk, why);
  return run_app(options, *task);
}

int run_prompt(const Options& options) {
  for (const std::string& path : options.files) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
        access(path.c_str(), R_OK) != 0) {
      return fail_early(options, node::ErrorCode::not_found,
                        fmt::format("no file that could be read at {}", clean(path)));
    }
  }
  PromptTask task(options);
  return run_app(options, task);
}

/// What a command says, or that standard output did not take it all. Who read it and has gone has
/// seen enough.
int with_output_written(int code) {
  const bool failed = std::fflush(stdout) != 0;
  const int error = failed ? errno : 0;
  if (!failed && std::ferror(stdout) == 0) return code;
  pollfd reader{STDOUT_FILENO, POLLOUT, 0};
  if (poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) return code;
  std::fputs(fmt::format("thuban: cannot write standard output{}{}\n", failed ? ": " : "",
                         failed ? std::strerror(error) : "")
                 .c_str(),
             stderr);
  return code == 0 ? static_cast<int>(ExitCode::failed) : code;
}

template <class T>
int run_one_shot(const Options& options) {
  T task;
  return run_app(options, task);
}

int run_verb(const Options& options) {
  if (options.verb == Verb::hash) return static_cast<int>(run_hash(options));
  if (options.verb == Verb::sim) return run_sim(options.sim);
  if (!has_descriptors()) {
    fail_early(options, node::ErrorCode::limit,
               fmt::format("too few file descriptors: {} have to be free, and `ulimit -n` is {}",
                           descriptors_min, node::uv::descriptor_limit()));
    return static_cast<int>(ExitCode::failed);
  }
  switch (options.verb) {
    case Verb::demo:
      return run_demo(demo_options(options));
    case Verb::bench:
      return static_cast<int>(run_bench(options.bench));
    case Verb::rendezvous:
      return static_cast<int>(run_rendezvous(options));
    case Verb::doctor:
      return static_cast<int>(run_doctor(options));
    case Verb::get:
      return run_get(options);
    case Verb::chat:
      return run_one_shot<ChatTask>(options);
    case Verb::peers:
    case Verb::files:
      return run_one_shot<ListTask>(options);
    default:
      return run_prompt(options);
  }
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
  open_standard_streams();
  if (sodium_init() < 0) {
    std::fputs("thuban: libsodium cannot be initialised\n", stderr);
    return static_cast<int>(ExitCode::failed);
  }
  // A reader that has gone is an error of write(), not the end of the process; so is a file that
  // grows beyond `ulimit -f`.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  use_utf8_locale();
  const auto parsed = parse_options(arguments, environment_of_process());
  if (const auto* leave = std::get_if<Leave>(&parsed)) {
    std::fputs(leave->text.c_str(), leave->code == ExitCode::done ? stdout : stderr);
    return with_output_written(static_cast<int>(leave->code));
  }
  try {
    return with_output_written(run_verb(std::get<Options>(parsed)));
  } catch (const std::system_error&) {
    if (std::ferror(stdout) == 0) throw;
    // fmt::print() threw it.
    return with_output_written(static_cast<int>(ExitCode::done));
  }
}

}  // namespace client
