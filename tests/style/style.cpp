// SPDX-License-Identifier: MIT
//
// The rules of this house that a program can check, read from the tree it is given. One
// line a finding, "file:line: what"; exit code 1 where there is any. Knows nothing of C++
// but comments, literals and words, which is enough.
//
// 1. Every source starts with its SPDX line; a header then says #pragma once.
// 2. Includes go one way: mrt/base <- {mrt, stun} <- node <- client, the drivers beside them.
// 3. The core (all but drivers and client) has no clock, thread, socket or randomness of
//    its own, and does not iterate in hash order.
// 4. No file has more than one job: at most 500 lines.
// 5. No sleeps, in code or tests: a test waits for an event.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Longer than that, a file has two jobs.
constexpr size_t lines_max = 500;

// Who may include what: the first entry whose folder holds the file. Longer folders first.
struct Layer {
  std::string_view folder;
  bool driver;  // knows the operating system
  std::vector<std::string_view> may_include;
};
const std::array<Layer, 10> layers{{
    {"mrt/base/", false, {"mrt/base/"}},
    {"mrt/uv/", true, {"mrt/"}},
    {"mrt/", false, {"mrt/base/", "mrt/"}},
    {"stun/uv/", true, {"mrt/", "stun/"}},
    {"stun/", false, {"mrt/base/", "stun/"}},
    {"node/uv/", true, {"mrt/", "stun/", "node/"}},
    {"node/sim/", false, {"mrt/", "stun/", "node/"}},
    {"node/", false, {"mrt/", "stun/", "node/"}},
    {"client/", true, {"mrt/", "stun/", "node/", "client/"}},
    {"tests/",
     true,
     {"mrt/", "stun/", "node/", "client/", "unit/", "support/", "script/", "fuzz/", "bench/",
      "net/"}},
}};

struct Ban {
  std::string_view word;
  std::string_view why;
};

// In the core: a Machine is values in, values out. Whole words, "::" being part of a word.
constexpr std::array core_bans{
    Ban{"steady_clock::now", "the time is an argument"},
    Ban{"system_clock::now", "the time is an argument"},
    Ban{"high_resolution_clock", "the time is an argument"},
    Ban{"gettimeofday", "the time is an argument"},
    Ban{"clock_gettime", "the time is an argument"},
    Ban{"random_device", "mrt::Random is the one generator"},
    Ban{"rand", "mrt::Random is the one generator"},
    Ban{"srand", "mrt::Random is the one generator"},
    Ban{"mt19937", "mrt::Random is the one generator"},
    Ban{"mt19937_64", "mrt::Random is the one generator"},
    Ban{"getrandom", "the driver gives the seed"},
    Ban{"getenv", "configuration is an argument"},
    Ban{"randombytes_buf", "mrt::Random is the one generator"},
    Ban{"randombytes_random", "mrt::Random is the one generator"},
    Ban{"randombytes_uniform", "mrt::Random is the one generator"},
    Ban{"RAND_bytes", "mrt::Random is the one generator"},
    Ban{"std::thread", "threads are the drivers'"},
    Ban{"std::jthread", "threads are the drivers'"},
    Ban{"std::mutex", "threads are the drivers'"},
    Ban{"std::atomic", "threads are the drivers'"},
    Ban{"std::async", "threads are the drivers'"},
    Ban{"thread_local", "threads are the drivers'"},
    Ban{"std::filesystem", "disks are the drivers'"},
    Ban{"std::ifstream", "disks are the drivers'"},
    Ban{"std::ofstream", "disks are the drivers'"},
    Ban{"std::cout", "screens are the client's"},
    Ban{"std::cerr", "screens are the client's"},
};

// <arpa/inet.h> is not among them: inet_pton() only reads text.
constexpr std::array core_include_bans{
    std::string_view{"<uv.h>"},       std::string_view{"<sys/"},
    std::string_view{"<netinet/"},    std::string_view{"<netdb.h>"},
    std::string_view{"<unistd.h>"},   std::string_view{"<fcntl.h>"},
    std::string_view{"<thread>"},     std::string_view{"<mutex>"},
    std::string_view{"<atomic>"},     std::string_view{"<condition_variable>"},
    std::string_view{"<filesystem>"}, std::string_view{"<fstream>"},
    std::string_view{"<iostream>"},   std::string_view{"<random>"},
    std::string_view{"<poll.h>"},     std::string_view{"<pthread.h>"},
};

constexpr std::array sleeps{
    Ban{"sleep_for", "wait for an event"}, Ban{"sleep_until", "wait for an event"},
    Ban{"usleep", "wait for an event"},    Ban{"nanosleep", "wait for an event"},
    Ban{"uv_sleep", "wait for an event"},
};

class Tree {
 public:
  explicit Tree(fs::path root) : root_(std::move(root)) {}

  void check() {
    std::vector<fs::path> files;
    for (const auto* top : {"mrt", "stun", "node", "client", "tests", "cmake", "scripts", ".ci"}) {
      if (!fs::exists(root_ / top)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root_ / top)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    }
    std::ranges::sort(files);  // the same order on every file system
    for (const auto& path : files) check_file(path);
  }

  size_t files() const { return files_; }
  size_t findings() const { return findings_; }

 private:
  void check_file(const fs::path& path) {
    name_ = path.lexically_relative(root_).generic_string();
    if (name_.starts_with("tests/style/faults/")) return;  // the test of this program
    if (name_.starts_with("tests/fuzz/corpus/")) return;   // bytes, not sources
    const bool source = name_.ends_with(".cpp") || name_.ends_with(".h");
    const bool script = name_.ends_with(".cmake") || name_.ends_with("CMakeLists.txt") ||
                        name_.ends_with(".sh") || path.extension().empty();
    if (!source && !script) return;
    ++files_;
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
    check_head(lines, source);
    if (lines.size() > lines_max) {
      report(lines.size(), "has more than " + std::to_string(lines_max) + " lines");
    }
    if (source) check_source(lines);
  }

  void check_head(const std::vector<std::string>& lines, bool source) {
    const std::string_view spdx =
        source ? "// SPDX-License-Identifier: MIT" : "# SPDX-License-Identifier: MIT";
    const size_t first = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
    if (lines.size() <= first || lines[first] != spdx) {
      report(first + 1, "does not start with \"" + std::string(spdx) + "\"");
    }
    if (name_.ends_with(".h") && std::ranges::find(lines, "#pragma once") == lines.end()) {
      report(1, "has no #pragma once");
    }
  }

  void check_source(const std::vector<std::string>& lines) {
    const auto layer = std::ranges::find_if(
        layers, [&](const Layer& one) { return name_.starts_with(one.folder); });
    if (layer == layers.end()) return;
    in_comment_ = false;
    std::string before;  // the line before: a mark may stand there
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string code = without_comments(lines[i]);
      if (code.starts_with("#include")) check_include(i + 1, code, lines[i], *layer);
      if (!layer->driver) {
        check_words(i + 1, code, core_bans);
        const bool marked = lines[i].find("// unordered: ") != std::string::npos ||
                            before.find("// unordered: ") != std::string::npos;
        if (!marked && code.find("unordered_") != std::string::npos && !code.starts_with('#')) {
          report(i + 1, "unordered container: order it, or say \"// unordered: \" and why");
        }
        if (code.find("_distribution") != std::string::npos) {
          report(i + 1, "std::*_distribution: differs between libraries");
        }
      }
      if (!name_.starts_with("tests/style/")) check_words(i + 1, code, sleeps);
      before = lines[i];
    }
  }

  void check_include(size_t number, const std::string& code, const std::string& line,
                     const Layer& layer) {
    const size_t quote = line.find('"');
    if (quote != std::string::npos) {
      const std::string_view target = std::string_view(line).substr(quote + 1);
      // "mrt/" alone does not mean the drivers below it: they are named, or it is a driver.
      const bool allowed = std::ranges::any_of(
          layer.may_include, [&](std::string_view folder) { return target.starts_with(folder); });
      const bool to_driver =
          target.find("/uv/") != std::string_view::npos || target.starts_with("uv/");
      if (!allowed || (to_driver && !layer.driver)) {
        report(number, "include against the arrows, or not by its path from the root");
      }
    }
    if (layer.driver) return;
    for (const auto ban : core_include_bans) {
      if (code.find(ban) != std::string::npos) {
        report(number, "the core does not know " + std::string(ban));
      }
    }
  }

  template <size_t N>
  void check_words(size_t number, const std::string& code, const std::array<Ban, N>& bans) {
    for (const Ban& ban : bans) {
      if (has_word(code, ban.word)) {
        report(number, std::string(ban.word) + ": " + std::string(ban.why));
      }
    }
  }

  static bool has_word(std::string_view code, std::string_view word) {
    const auto letter = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
    };
    for (size_t at = code.find(word); at != code.npos; at = code.find(word, at + 1)) {
      const size_t end = at + word.size();
      if ((at == 0 || !letter(code[at - 1])) && (end == code.size() || !letter(code[end]))) {
        return true;
      }
    }
    return false;
  }

  // The line without comments and without what literals contain.
  std::string without_comments(const std::string& line) {
    std::string code;
    char quote = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string_view two = std::string_view(line).substr(i, 2);
      if (in_comment_) {
        if (two == "*/") {
          in_comment_ = false;
          ++i;
        }
      } else if (quote != 0) {
        if (line[i] == '\\')
          ++i;
        else if (line[i] == quote)
          code += std::exchange(quote, '\0');
      } else if (two == "//") {
        break;
      } else if (two == "/*") {
        in_comment_ = true;
        ++i;
      } else {
        // Not the separator in 1'000.
        const bool opens =
            line[i] == '"' || (line[i] == '\'' &&
                               (i == 0 || !std::isxdigit(static_cast<unsigned char>(line[i - 1]))));
        if (opens) quote = line[i];
        code += line[i];
      }
    }
    return code;
  }

  void report(size_t line, const std::string& what) {
    std::cout << name_ << ':' << line << ": " << what << '\n';
    ++findings_;
  }

  fs::path root_;
  std::string name_;  // of the file in hand, from the root
  bool in_comment_ = false;
  size_t files_ = 0;
  size_t findings_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: style TREE\n";
    return 2;
  }
  Tree tree(argv[1]);
  tree.check();
  std::cout << tree.files() << " files, " << tree.findings() << " findings\n";
  return tree.findings() == 0 && tree.files() > 0 ? 0 : 1;
}
