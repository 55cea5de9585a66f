// SPDX-License-Identifier: MIT
#include "client/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "client/invite.h"
#include "client/text.h"
#include "mrt/base/secret.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

// As many processes of one user on one host as anybody starts.
constexpr int folders_max = 1000;
// known_networks_max networks at their longest.
constexpr size_t peers_file_bytes_max = 256 * 1024;
constexpr size_t secrets_file_bytes_max = 64 * 1024;
constexpr std::string_view secrets_version = "thuban secrets 1";

std::string errno_text() { return std::strerror(errno); }

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

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
    const std::string_view line = take_line(text);
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

KnownSecrets parse_known_secrets(std::string_view text) {
  KnownSecrets known;
  if (take_line(text) != secrets_version) return known;
  while (!text.empty() && known.size() < known_networks_max) {
    const std::string_view line = take_line(text);
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view network = line.substr(0, space);
    const auto secret = mrt::from_hex(line.substr(std::min(space + 1, line.size())));
    if (!is_network_name(network) || !secret) continue;
    if (secret->empty() || secret->size() > invite_secret_max) continue;
    known.emplace(network, *secret);
  }
  return known;
}

std::string write_known_secrets(const KnownSecrets& known) {
  std::string out = fmt::format("{}\n", secrets_version);
  for (const auto& [network, secret] : known) {
    out += fmt::format("{} {}\n", network, mrt::to_hex(secret));
  }
  return out;
}

StateDir::StateDir() : identity_(mrt::uv::entropy_seed()) {}

StateDir::StateDir(const std::string& path, std::string& warning) {
  if (!path.empty() && lock_folder(path, warning) && load_identity(warning)) {
    const auto peers = read_small_file(path_ + "/peers", peers_file_bytes_max);
    if (peers) known_ = parse_known_peers(*peers);
    const auto secrets = read_small_file(path_ + "/secrets", secrets_file_bytes_max);
    if (secrets) secrets_ = parse_known_secrets(*secrets);
    const auto stretched = read_small_file(path_ + "/stretched", secrets_file_bytes_max);
    if (stretched) stretched_ = parse_known_secrets(*stretched);
    return;
  }
  if (path.empty()) warning = "there is no home folder: nothing is kept";
  if (lock_ >= 0) close(lock_);
  lock_ = -1;
  identity_ = mrt::uv::entropy_seed();
}

StateDir::~StateDir() {
  mrt::wipe(identity_);
  for (auto& [network, secret] : secrets_) mrt::wipe(secret);
  for (auto& [network, seed] : stretched_) mrt::wipe(seed);
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
  if (const auto content = read_small_file(file, identity_.size())) {
    if (content->size() == identity_.size()) {
      std::copy(content->begin(), content->end(), identity_.begin());
      return true;
    }
    warning = fmt::format("{} is no identity: a new one is used and not kept", clean(file));
    return false;
  }
  if (errno == ENOENT) {
    identity_ = mrt::uv::entropy_seed();
    if (replace_file(file, mrt::as_text(identity_), true)) return true;
  }
  warning = fmt::format("cannot keep {}: {}; nothing is kept", clean(file), errno_text());
  return false;
}

const std::vector<mrt::Address>& StateDir::known(const std::string& network) const {
  static const std::vector<mrt::Address> nobody;
  const auto found = known_.find(network);
  return found == known_.end() ? nobody : found->second;
}

std::optional<mrt::NetworkKey> StateDir::known_key(const std::string& network) const {
  const auto found = secrets_.find(network);
  if (found == secrets_.end()) return std::nullopt;
  return mrt::NetworkKey{mrt::Access::secret, found->second};
}

void StateDir::remember(const std::string& network, const std::vector<mrt::Address>& addresses,
                        const mrt::NetworkKey& key) {
  if (!keeps() || addresses.empty()) return;
  remember_secret(network, key);
  std::vector<mrt::Address> all = addresses;
  for (const mrt::Address& address : known(network)) {
    if (std::find(all.begin(), all.end(), address) == all.end()) all.push_back(address);
  }
  all.resize(std::min(all.size(), known_addresses_max));
  if (all == known(network)) return;
  if (known_.size() >= known_networks_max && !known_.contains(network)) {
    secrets_.erase(known_.begin()->first);
    known_.erase(known_.begin());
  }
  known_[network] = std::move(all);
  // Where this fails a later join by name misses something; no more is lost.
  replace_file(path_ + "/peers", write_known_peers(known_), false);
}

void StateDir::remember_secret(const std::string& network, const mrt::NetworkKey& key) {
  const auto before = known_key(network);
  const bool secret = key.access == mrt::Access::secret;
  if (secret ? before && before->secret == key.secret : !before) return;
  known_.erase(network);
  secrets_.erase(network);
  if (secret) {
    if (secrets_.size() >= known_networks_max) secrets_.erase(secrets_.begin());
    secrets_.emplace(network, key.secret);
  }
  std::string text = write_known_secrets(secrets_);
  replace_file(path_ + "/secrets", text, false);
  mrt::wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
}

std::optional<stun::RendezvousSeed> StateDir::stretched(const std::string& network) const {
  const auto found = stretched_.find(network);
  if (found == stretched_.end() || found->second.size() != stun::RendezvousSeed::size()) {
    return std::nullopt;
  }
  stun::RendezvousSeed seed;
  std::copy(found->second.begin(), found->second.end(), seed.data());
  return seed;
}

void StateDir::remember_stretched(const std::string& network, const stun::RendezvousSeed& seed) {
  if (!keeps()) return;
  if (stretched_.size() >= known_networks_max && !stretched_.contains(network)) {
    stretched_.erase(stretched_.begin());
  }
  const mrt::ByteView bytes = seed.view();
  stretched_[network].assign(bytes.begin(), bytes.end());
  std::string text = write_known_secrets(stretched_);
  replace_file(path_ + "/stretched", text, false);
  mrt::wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
}

}  // namespace client
