// SPDX-License-Identifier: MIT
#include "client/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "client/invite.h"
#include "client/text.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

// As many processes of one user on one host as anybody starts.
constexpr int folders_max = 1000;
// known_networks_max networks at their longest.
constexpr size_t peers_file_bytes_max = 256 * 1024;

std::string errno_text() { return std::strerror(errno); }

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    content.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

std::optional<std::string> read_small_file(const std::string& path, size_t bytes_max) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string content(bytes_max + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < content.size() && (got = read(fd, &content[size], content.size() - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  close(fd);
  if (got < 0 || size > bytes_max) return std::nullopt;
  content.resize(size);
  return content;
}

bool replace_file(const std::string& path, std::string_view content, bool durable) {
  const std::string beside = path + ".new";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = write_all(fd, content) && (!durable || fsync(fd) == 0);
  const bool placed = close(fd) == 0 && written && rename(beside.c_str(), path.c_str()) == 0;
  if (!placed) unlink(beside.c_str());
  return placed;
}

KnownPeers parse_known_peers(std::string_view text) {
  KnownPeers known;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string_view network = line.substr(0, space);
    const auto address = mrt::Address::parse(line.substr(space + 1));
    if (!is_network_name(network) || !address || !address->is_unicast()) continue;
    if (known.size() >= known_networks_max && !known.contains(std::string(network))) continue;
    auto& addresses = known[std::string(network)];
    if (addresses.size() < known_addresses_max) addresses.push_back(*address);
  }
  return known;
}

std::string write_known_peers(const KnownPeers& known) {
  std::string out;
  for (const auto& [network, addresses] : known) {
    for (const mrt::Address& address : addresses) {
      out += fmt::format("{} {}\n", network, address.to_string());
    }
  }
  return out;
}

StateDir::StateDir() { be_somebody(mrt::uv::entropy_seed()); }

StateDir::StateDir(const std::string& path, std::string& warning) {
  if (!path.empty() && lock_folder(path, warning) && load_identity(warning)) {
    const auto text = read_small_file(path_ + "/peers", peers_file_bytes_max);
    if (text) known_ = parse_known_peers(*text);
    return;
  }
  if (path.empty()) warning = "there is no home folder: nothing is kept";
  if (lock_ >= 0) close(lock_);
  lock_ = -1;
  be_somebody(mrt::uv::entropy_seed());
}

StateDir::~StateDir() {
  if (lock_ >= 0) close(lock_);
}

bool StateDir::lock_folder(const std::string& path, std::string& warning) {
  // "If, when attempting to write a file, the destination directory is non-existent an attempt
  // should be made to create it with permission 0700." (XDG Base Directory Specification)
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  for (int i = 1; i <= folders_max; ++i) {
    path_ = i == 1 ? path : fmt::format("{}/{}", path, i);
    if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) break;
    const int fd = open((path_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) break;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
      lock_ = fd;
      return true;
    }
    const bool taken = errno == EWOULDBLOCK;
    close(fd);
    if (!taken) break;
  }
  warning = fmt::format("cannot use {}: {}; nothing is kept", clean(path_), errno_text());
  return false;
}

bool StateDir::load_identity(std::string& warning) {
  const std::string file = path_ + "/identity";
  mrt::Random::Seed seed;
  if (const auto content = read_small_file(file, seed.size())) {
    if (content->size() == seed.size()) {
      std::copy(content->begin(), content->end(), seed.begin());
      be_somebody(seed);
      return true;
    }
    warning = fmt::format("{} is no identity: a new one is used and not kept", clean(file));
    return false;
  }
  if (errno == ENOENT) {
    seed = mrt::uv::entropy_seed();
    const mrt::ByteView bytes(seed);
    if (replace_file(file, mrt::as_text(bytes), true)) {
      be_somebody(seed);
      return true;
    }
  }
  warning = fmt::format("cannot keep {}: {}; nothing is kept", clean(file), errno_text());
  return false;
}

void StateDir::be_somebody(const mrt::Random::Seed& seed) {
  std::array<uint8_t, crypto_sign_PUBLICKEYBYTES> public_key;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret_key;
  static_assert(crypto_sign_SEEDBYTES == std::tuple_size_v<mrt::Random::Seed>);
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(), seed.data());
  sodium_memzero(secret_key.data(), secret_key.size());
  std::array<uint8_t, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), public_key.data(), public_key.size());
  std::copy_n(digest.begin(), node_id_.bytes.size(), node_id_.bytes.begin());
}

const std::vector<mrt::Address>& StateDir::known(const std::string& network) const {
  static const std::vector<mrt::Address> nobody;
  const auto found = known_.find(network);
  return found == known_.end() ? nobody : found->second;
}

void StateDir::remember(const std::string& network, const std::vector<mrt::Address>& addresses) {
  if (!keeps() || addresses.empty()) return;
  std::vector<mrt::Address> all = addresses;
  for (const mrt::Address& address : known(network)) {
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  }
  all.resize(std::min(all.size(), known_addresses_max));
  if (all == known(network)) return;
  if (known_.size() >= known_networks_max && !known_.contains(network)) {
    known_.erase(known_.begin());
  }
  known_[network] = std::move(all);
  // Where this fails a later join by name misses something; no more is lost.
  replace_file(path_ + "/peers", write_known_peers(known_), false);
}

}  // namespace client
