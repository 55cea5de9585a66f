// SPDX-License-Identifier: MIT
//
// Runs the corpora through their targets without libFuzzer: `fuzz_corpus CORPUS` all of them,
// `fuzz_corpus TARGET FILE...` what a fuzzer has found. A target that fails prints its CHECK
// and aborts; the name of the file is then the last line before it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/targets.h"

namespace fs = std::filesystem;

static void run_file(const fuzz::Target& target, const fs::path& path) {
  std::cout << path.string() << std::endl;  // out before a target may abort
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  // A copy that ends where the bytes end: a sanitizer sees a read beyond them.
  const mrt::Bytes bytes(text.begin(), text.end());
  target.run(bytes);
}

static size_t run_folder(const fuzz::Target& target, const fs::path& folder) {
  if (!fs::is_directory(folder)) return 0;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const auto& path : files) run_file(target, path);
  return files.size();
}

static const fuzz::Target* find(std::string_view name) {
  const auto found = std::ranges::find(fuzz::targets, name, &fuzz::Target::name);
  return found == fuzz::targets.end() ? nullptr : found;
}

static int run_corpora(const fs::path& corpora) {
  for (const fuzz::Target& target : fuzz::targets) {
    if (run_folder(target, corpora / target.name) > 0) continue;
    std::cerr << target.name << " has no corpus\n";
    return 1;
  }
  for (const auto& entry : fs::directory_iterator(corpora)) {
    if (find(entry.path().filename().string()) != nullptr) continue;
    std::cerr << entry.path().string() << " belongs to no target\n";
    return 1;
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2) return run_corpora(argv[1]);
  const fuzz::Target* target = argc > 2 ? find(argv[1]) : nullptr;
  if (target == nullptr) {
    std::cerr << "usage: fuzz_corpus CORPUS | TARGET FILE...\n";
    return 2;
  }
  for (int i = 2; i < argc; ++i) run_file(*target, argv[i]);
  return 0;
}
