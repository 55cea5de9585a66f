// SPDX-License-Identifier: MIT
#include "client/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "client/help.h"
#include "client/nat_words.h"
#include "client/screen.h"
#include "client/text.h"

namespace client {

namespace {

std::string who(const node::NodeId& id) { return id.to_string().substr(0, 8); }

std::string file_words(const std::string& name, uint64_t size, const node::FileHash& hash) {
  return fmt::format("{} ({}, {})", clean(name), size, short_hash(hash));
}

struct Words {
  static LogEntry info(std::string text) { return {LogLevel::info, std::move(text)}; }
  static LogEntry debug(std::string text) { return {LogLevel::debug, std::move(text)}; }

  LogEntry operator()(const node::RoleChanged& e) const {
    return info(fmt::format("role {} epoch {} supernode {}", node::to_text(e.role), e.epoch.value,
                            who(e.supernode)));
  }
  LogEntry operator()(const node::RosterChanged& e) const {
    return debug(fmt::format("roster epoch {} of {} nodes", e.epoch.value, e.peers.size()));
  }
  LogEntry operator()(const node::PeerJoined& e) const {
    return info(fmt::format("join {} {}", who(e.node), clean(e.nick)));
  }
  LogEntry operator()(const node::PeerLeft& e) const {
    const bool lost = e.reason == node::LeaveReason::lost;
    return {lost ? LogLevel::warn : LogLevel::info,
            fmt::format("{} {} {}", lost ? "death" : "leave", who(e.node), clean(e.nick))};
  }
  LogEntry operator()(const node::ChatDelivered& e) const {
    return debug(fmt::format("chat {} from {} at {}/{}, {} bytes", e.id.to_string(), who(e.from),
                             e.place.epoch.value, e.place.seq.value, e.text.size()));
  }
  LogEntry operator()(const node::GapFound& e) const {
    return {LogLevel::warn, fmt::format("gap of {} messages", e.count)};
  }
  LogEntry operator()(const node::TellDelivered& e) const {
    return debug(fmt::format("tell from {}, {} bytes", who(e.from), e.text.size()));
  }
  LogEntry operator()(const node::FileOffered& e) const {
    return info(fmt::format("offer {} by {}", file_words(e.name, e.size, e.hash), who(e.holder)));
  }
  LogEntry operator()(const node::FileWithdrawn& e) const {
    return info(
        fmt::format("withdraw {} by {}", file_words(e.name, e.size, e.hash), who(e.holder)));
  }
  LogEntry operator()(const node::DownloadProgress& e) const {
    return debug(fmt::format("transfer {} at {}, {} bytes/s", file_words(e.name, e.size, e.hash),
                             e.bytes, e.rate));
  }
  LogEntry operator()(const node::FileReceived& e) const {
    return info(fmt::format("transfer {} done in {} ms: {}", file_words(e.name, e.size, e.hash),
                            mrt::to_ms(e.took), clean(e.path)));
  }
  LogEntry operator()(const node::Migrated& e) const {
    return info(fmt::format("migration from {} to {} epoch {} ({}) in {} ms", who(e.from),
                            who(e.to), e.epoch.value, node::to_text(e.reason), mrt::to_ms(e.took)));
  }
  LogEntry operator()(const node::JoinDone&) const { return info("joined"); }
  LogEntry operator()(const node::OwnStable& e) const {
    return debug(fmt::format("own messages up to {} are stable", e.number));
  }
  LogEntry operator()(const node::Noted& e) const { return debug(clean(e.text)); }
  LogEntry operator()(const node::Stopped& e) const {
    return info(fmt::format("stopped: {}", clean(e.reason)));
  }
  LogEntry operator()(const node::AccessChanged& e) const {
    switch (e.access) {
      case mrt::Access::open:
        return {LogLevel::warn, "access open: anyone can join"};
      case mrt::Access::secret:
        return info("access by a random secret, which is in the invite");
      case mrt::Access::password:
        break;
    }
    return info("access by password");
  }
  // Told as reports, of no interest, or a key.
  LogEntry operator()(const node::CommandFailed&) const { return {}; }
  LogEntry operator()(const node::CommandDone&) const { return {}; }
  LogEntry operator()(const node::NatChanged& e) const { return info(nat_sentence(e.behaviour)); }
  LogEntry operator()(const node::KeysLogged&) const { return {}; }
  LogEntry operator()(const node::FileRequest&) const { return {}; }
  LogEntry operator()(const node::SocketRequest&) const { return {}; }

  LogEntry operator()(const Listening& e) const {
    return info(fmt::format("node {} {} listens on {}, network {}, version {}", who(e.node),
                            clean(e.nick), e.address.to_string(), clean(e.network), version()));
  }
  LogEntry operator()(const Invited&) const { return {}; }  // a key is not for logs
  LogEntry operator()(const PeersAsked&) const { return {}; }
  LogEntry operator()(const FilesAsked&) const { return {}; }
  LogEntry operator()(const StatsAsked&) const { return {}; }
  LogEntry operator()(const Failed& e) const {
    return {LogLevel::error, fmt::format("{}: {}{}{}", node::to_text(e.code), clean(e.message),
                                         e.command.empty() ? "" : " after ", clean(e.command, 80))};
  }
  LogEntry operator()(const Ended& e) const {
    return info(fmt::format("closed: {}", clean(e.reason)));
  }
};

}  // namespace

LogEntry log_entry(const node::Event& event) { return std::visit(Words{}, event); }

LogEntry log_entry(const Report& report) { return std::visit(Words{}, report); }

std::string log_line(int64_t unix_ms, const LogEntry& entry) {
  static constexpr const char* names[] = {"", "error", "warn", "info", "debug"};
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {:<5} {}", fmt::gmtime(seconds), unix_ms % 1000,
                     names[static_cast<size_t>(entry.level)], entry.text);
}

Log::Log(LogLevel level, const std::optional<std::string>& file, Sink sink, std::string& error)
    : level_(level), sink_(std::move(sink)) {
  if (!file) return;
  file_ = std::fopen(file->c_str(), "ae");
  if (!file_) {
    level_ = LogLevel::off;
    error = fmt::format("--log-file: cannot write '{}': {}", clean(*file), std::strerror(errno));
  }
}

Log::~Log() {
  if (file_) std::fclose(file_);
}

void Log::write(int64_t unix_ms, const LogEntry& entry) {
  if (entry.level == LogLevel::off || entry.level > level_) return;
  const std::string line = log_line(unix_ms, entry);
  if (!file_) return sink_(line);
  std::fputs((line + '\n').c_str(), file_);
  std::fflush(file_);
}

}  // namespace client
