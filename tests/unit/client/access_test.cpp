// SPDX-License-Identifier: MIT
//
// Passwords from files and variables (access.h), typed ones (secret_line.h), and the file that
// keys are logged to (keylog.h).
#include "client/access.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "client/keylog.h"
#include "client/secret_line.h"

namespace client {

namespace fs = std::filesystem;

namespace {

/// A file in a folder of its own; both are gone with their owner.
class File {
 public:
  explicit File(const std::string& content, fs::perms mode = fs::perms::owner_read) {
    char name[] = "/tmp/thuban-test-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(path(), std::ios::binary) << content;
    fs::permissions(path(), mode);
  }
  ~File() { fs::remove_all(folder_); }
  const std::string& folder() const { return folder_; }
  std::string path() const { return folder_ + "/secret"; }
  std::string content() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  unsigned mode() const {
    struct stat info {};
    REQUIRE(stat(path().c_str(), &info) == 0);
    return info.st_mode & 0777;
  }

 private:
  std::string folder_;
};

/// A variable of the environment while it lives.
class Variable {
 public:
  explicit Variable(const std::string& value) { setenv("THUBAN_PASSWORD", value.c_str(), 1); }
  ~Variable() { unsetenv("THUBAN_PASSWORD"); }
};

std::optional<std::string> password_in(const std::string& content) {
  const File file(content);
  std::string warning, why;
  const auto password = read_password_file(file.path(), warning, why);
  CHECK(warning.empty());
  CHECK(why.empty() == password.has_value());
  if (!password) return std::nullopt;
  return std::string(mrt::as_text(*password));
}

std::optional<mrt::NetworkKey> key_from(PasswordFrom from, std::string& why) {
  Options options;
  options.password_from = from;
  std::string warning;
  return own_key(options, warning, why);
}

/// What is typed, and how it ends.
struct Typed {
  SecretLine::State state;
  std::string text;
};
Typed type(const std::vector<std::string>& keys) {
  SecretLine line;
  SecretLine::State state = SecretLine::State::typing;
  for (const std::string& key : keys) state = line.on_key(key);
  const mrt::Bytes bytes = line.take();
  return {state, std::string(mrt::as_text(bytes))};
}

}  // namespace

TEST_CASE("a password file is its bytes without the last line end") {
  CHECK(password_in("sesame") == "sesame");
  CHECK(password_in("sesame\n") == "sesame");
  CHECK(password_in("sesame\r\n") == "sesame");
  CHECK(password_in("sesame\n\n") == "sesame\n");
  CHECK(password_in(" two words \n") == " two words ");
  CHECK(password_in(std::string("\0\xff", 2)) == std::string("\0\xff", 2));
  CHECK(password_in(std::string(password_bytes_max, 'x') + "\r\n")->size() == password_bytes_max);
}

TEST_CASE("a password file that cannot be one is told in one line, without what is in it") {
  CHECK_FALSE(password_in(""));
  CHECK_FALSE(password_in("\n"));
  CHECK_FALSE(password_in(std::string(password_bytes_max + 1, 'x')));
  CHECK_FALSE(password_in(std::string(1'000'000, 'x')));
  const File file(std::string(password_bytes_max + 1, 'x'));
  for (const std::string& path : {file.path(), file.folder(), file.folder() + "/no\nwhere"}) {
    std::string warning, why;
    CHECK_FALSE(read_password_file(path, warning, why));
    CHECK(why.starts_with("--password-file: "));
    CHECK(why.find('\n') == std::string::npos);
    CHECK(why.find("xxx") == std::string::npos);
  }
}

TEST_CASE("a password file that others can read is warned about and taken") {
  const File file("sesame", fs::perms::owner_read | fs::perms::group_read);
  std::string warning, why;
  CHECK(read_password_file(file.path(), warning, why));
  CHECK(warning.find("chmod 600") != std::string::npos);
}

TEST_CASE("a pipe can give a password, as <(command) does") {
  const File file("");
  const std::string pipe = file.folder() + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  // Both ends, so that nobody waits; what is written stands in the pipe when it is read.
  std::fstream far(pipe, std::ios::in | std::ios::out);
  far << std::string(password_bytes_max + 100, 'x') << std::flush;
  std::string warning, why;
  CHECK_FALSE(read_password_file(pipe, warning, why));
  CHECK(why.find("at most") != std::string::npos);
}

TEST_CASE("without a password there is a random secret, another one each time") {
  std::string why;
  const auto first = key_from(PasswordFrom::nowhere, why);
  const auto second = key_from(PasswordFrom::nowhere, why);
  CHECK(first->access == mrt::Access::secret);
  CHECK(first->secret.size() == 16);
  CHECK(first->secret != second->secret);
  for (bool Options::*option : {&Options::open, &Options::plain}) {
    Options options;
    options.*option = true;
    std::string warning;
    CHECK(own_key(options, warning, why) == mrt::NetworkKey{});
  }
}

TEST_CASE("the variable is the password as it stands, and not a longer one") {
  std::string why;
  {
    const Variable given("sesame\n");
    CHECK(key_from(PasswordFrom::variable, why) ==
          mrt::NetworkKey{mrt::Access::password, {'s', 'e', 's', 'a', 'm', 'e', '\n'}});
  }
  const Variable given(std::string(password_bytes_max + 1, 'x'));
  CHECK_FALSE(key_from(PasswordFrom::variable, why));
  CHECK(why.starts_with("THUBAN_PASSWORD: "));
  CHECK(why.find("xxx") == std::string::npos);
}

TEST_CASE("a password is typed with the usual keys") {
  using State = SecretLine::State;
  CHECK(type({"a", "b"}).state == State::typing);
  const Typed typed = type({"a", "\xc3\xa9", "x", "\x7f", "\b", "c", "\r"});
  CHECK(typed.state == State::done);
  CHECK(typed.text == "ac");
  CHECK(type({"a", "b", "\x15", "c", "\n"}).text == "c");
  CHECK(type({"a", "\x1b[A", "\t", "\x01", "\x04", "b", "\r"}).text == "ab");
  CHECK(type({"\x7f", "a", " ", "\r"}).text == "a ");
  CHECK(type({"\r"}).state == State::given_up);
  CHECK(type({"\x04"}).state == State::given_up);
  CHECK(type({"a", "\x7f", "\x04"}).state == State::given_up);
  std::vector<std::string> keys(password_bytes_max, "x");
  keys.emplace_back("\r");
  CHECK(type(keys).text.size() == password_bytes_max);
  keys.insert(keys.begin(), "x");
  CHECK(type(keys).state == State::given_up);
}

TEST_CASE("keys are appended to a file that only its owner can read") {
  const File file("before\n", fs::perms::owner_read | fs::perms::owner_write |
                                  fs::perms::group_read | fs::perms::others_read);
  std::string error;
  KeyLog one(file.path(), error);
  KeyLog other(file.path(), error);
  REQUIRE(error.empty());
  CHECK(file.mode() == 0600);
  CHECK(one.write("first"));
  CHECK(other.write("second"));
  CHECK(one.write("third"));
  CHECK(file.content() == "before\nfirst\nsecond\nthird\n");
}

TEST_CASE("a key log that cannot be a file is refused with a reason") {
  const File file("");
  REQUIRE(mkfifo((file.folder() + "/pipe").c_str(), 0600) == 0);
  for (const std::string& path : {file.folder(), file.folder() + "/no/where",
                                  file.folder() + "/pipe", std::string("/dev/null")}) {
    std::string error;
    const KeyLog keylog(path, error);
    CHECK_MESSAGE(error.starts_with("THUBAN_KEYLOG: "), path);
  }
  std::string error;
  const std::string fresh = file.folder() + "/fresh";
  const KeyLog keylog(fresh, error);
  CHECK(error.empty());
  struct stat info {};
  REQUIRE(stat(fresh.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

}  // namespace client
