// SPDX-License-Identifier: MIT
#include "script/program.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace script {

namespace {

// All that run now: waiting for one reads all.
std::vector<Program*>& programs() {
  static std::vector<Program*> all;
  return all;
}

std::string program_path() {
  const char* given = std::getenv("THUBAN_PROGRAM");
  return given != nullptr ? given : THUBAN_PROGRAM;
}

// Exactly this, whatever the developer has set: the tests must mean the same everywhere.
std::vector<std::string> environment_of(const Launch& launch) {
  std::map<std::string, std::string> variables = {{"PATH", "/usr/bin:/bin"},
                                                  {"LANG", "C.UTF-8"},
                                                  {"TERM", "xterm"},
                                                  {"LOGNAME", "tester"},
                                                  {"HOME", launch.folder.string()},
                                                  {"XDG_STATE_HOME", launch.folder / "state"},
                                                  {"TMPDIR", launch.folder.string()},
                                                  {"THUBAN_NAT", "none"}};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) variables[name] = value;
  }
  for (const auto& [name, value] : launch.environment) variables[name] = value;
  std::vector<std::string> words;
  for (const auto& [name, value] : variables) words.push_back(name + "=" + value);
  return words;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(const Launch& launch, const int (&far)[3], char* const* argv,
                         char* const* envp) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_DFL);
  // A session of its own: it has the terminal that the test gives it, and no other.
  setsid();
  if (launch.terminal) ioctl(far[0], TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; ++fd) dup2(far[fd], fd);
  if (!launch.standard_output.empty()) {
    dup2(open(launch.standard_output.c_str(), O_WRONLY), STDOUT_FILENO);
  }
  if (!launch.network.empty() && setns(open(launch.network.c_str(), O_RDONLY), CLONE_NEWNET) != 0) {
    _exit(126);  // as a shell says that a command cannot be started
  }
  if (launch.prepare) launch.prepare();
  if (chdir(launch.folder.c_str()) == 0) execve(argv[0], argv, envp);
  _exit(127);
}

void close_fd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

double since(Clock::time_point begin) { return Seconds(Clock::now() - begin).count(); }

Folder::Folder() {
  std::string name = std::filesystem::temp_directory_path() / "thuban-script-XXXXXX";
  REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(const Launch& launch) : arguments_(launch.arguments) {
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words = {program_path()};
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<std::string> variables = environment_of(launch);
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  int far[3] = {-1, -1, -1};
  launch.terminal ? open_terminal(far) : open_pipes(far);
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) become(launch, far, argv.data(), envp.data());
  for (int& fd : far) close_fd(fd);
  for (const int fd : {input_, output_fd_, error_fd_}) {
    if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  end_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  REQUIRE(end_fd_ >= 0);
  programs().push_back(this);
}

void Program::open_pipes(int (&far)[3]) {
  int in[2], out[2], error[2];
  REQUIRE(pipe2(in, O_CLOEXEC) == 0);
  REQUIRE(pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(pipe2(error, O_CLOEXEC) == 0);
  far[0] = in[0];
  far[1] = out[1];
  far[2] = error[1];
  input_ = in[1];
  output_fd_ = out[0];
  error_fd_ = error[0];
}

void Program::open_terminal(int (&far)[3]) {
  const winsize size{24, 80, 0, 0};
  int shown = -1;
  REQUIRE(openpty(&shown, &far[0], nullptr, nullptr, &size) == 0);
  far[1] = fcntl(far[0], F_DUPFD_CLOEXEC, 3);
  far[2] = fcntl(far[0], F_DUPFD_CLOEXEC, 3);
  output_fd_ = shown;
  input_ = fcntl(shown, F_DUPFD_CLOEXEC, 3);
  for (const int fd : {shown, far[0]}) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Program::~Program() {
  if (!ended()) {
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (int* fd : {&input_, &output_fd_, &error_fd_, &end_fd_}) close_fd(*fd);
  std::erase(programs(), this);
}

void Program::say(std::string_view line) {
  unsent_.append(line);
  unsent_.push_back('\n');
  flush();
}

void Program::write(std::string_view bytes) {
  unsent_.append(bytes);
  flush();
}

void Program::end_input() {
  input_ends_ = true;
  flush();
}

void Program::signal(int number) const { ::kill(pid_, number); }

int Program::await_end(Seconds limit) {
  await(
      "the program's end\n" + account(), [this] { return ended(); }, limit);
  return exit_code_;
}

std::string Program::account() const {
  std::string text = "--- thuban";
  for (const auto& argument : arguments_) text += " " + argument;
  const auto end_of = [](const std::string& all) {
    constexpr size_t shown = 3'000;
    return all.size() > shown ? "..." + all.substr(all.size() - shown) : all;
  };
  text += ended() ? "\n--- ended with " + std::to_string(exit_code_) : "\n--- still runs";
  return text + "\n--- standard output:\n" + end_of(output_) + "--- standard error:\n" +
         end_of(complaints_);
}

bool Program::run_until(const std::function<bool()>& condition, Seconds limit) {
  const auto deadline = Clock::now() + limit;
  turn(0);
  while (!condition()) {
    const double left = Seconds(deadline - Clock::now()).count();
    if (left <= 0) return false;
    turn(static_cast<int>(std::min(left * 1'000 + 1, 1'000.0)));
  }
  return true;
}

void Program::await(const std::string& what, const std::function<bool()>& condition,
                    Seconds limit) {
  const bool held = run_until(condition, limit);
  if (!held) {
    std::string accounts;
    for (const auto* program : programs()) accounts += program->account();
    FAIL("not within " << limit.count() << " s: " << what << "\n" << accounts);
  }
}

void Program::turn(int wait_ms) {
  std::vector<pollfd> fds;
  for (const auto* program : programs()) {
    const short room = program->unsent_.empty() ? short{0} : short{POLLOUT};
    fds.push_back({program->unsent_.empty() ? -1 : program->input_, room, 0});
    fds.push_back({program->output_fd_, POLLIN, 0});
    fds.push_back({program->error_fd_, POLLIN, 0});
    fds.push_back({program->end_fd_, POLLIN, 0});
  }
  poll(fds.data(), fds.size(), wait_ms);
  for (size_t i = 0; i < programs().size(); ++i) {
    Program& program = *programs()[i];
    const auto ready = [&](size_t stream) { return fds[i * 4 + stream].revents != 0; };
    if (ready(0)) program.flush();
    if (ready(1)) program.read_from(program.output_fd_, program.output_);
    if (ready(2)) program.read_from(program.error_fd_, program.complaints_);
    if (ready(3)) program.reap();
    program.take_lines();
  }
}

void Program::read_from(int& fd, std::string& text) {
  char bytes[64 * 1024];
  while (fd >= 0) {
    const ssize_t size = read(fd, bytes, sizeof bytes);
    if (size > 0) {
      text.append(bytes, static_cast<size_t>(size));
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
      close_fd(fd);
    } else {
      return;
    }
  }
}

void Program::flush() {
  while (!unsent_.empty() && input_ >= 0) {
    const ssize_t size = ::write(input_, unsent_.data(), unsent_.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) {
      unsent_.clear();
      close_fd(input_);
      return;
    }
    unsent_.erase(0, static_cast<size_t>(size));
  }
  if (input_ends_) close_fd(input_);
}

void Program::reap() {
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return;
  // What it wrote last is still in the pipes.
  read_from(output_fd_, output_);
  read_from(error_fd_, complaints_);
  exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  close_fd(end_fd_);
}

void Program::take_lines() {
  for (size_t end = output_.find('\n', parsed_); end != std::string::npos;
       end = output_.find('\n', parsed_)) {
    const std::string_view line = std::string_view(output_).substr(parsed_, end - parsed_);
    parsed_ = end + 1;
    if (tap_ && tap_(line)) continue;
    Json body = Json::parse(line, nullptr, false);
    if (body.is_object()) {
      events_.push_back({std::move(body), Clock::now()});
    } else {
      ++other_lines_;
    }
  }
}

Outcome run(const Launch& launch, Seconds limit) {
  const auto begin = Clock::now();
  Program program(launch);
  program.await_end(limit);
  return {program.exit_code(), program.output(), program.complaints(), since(begin)};
}

}  // namespace script
