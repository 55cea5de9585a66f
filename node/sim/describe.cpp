// SPDX-License-Identifier: MIT
#include "node/sim/describe.h"

#include <utility>

#include "mrt/wire.h"

namespace node::sim {

// Eight digits tell the nodes and files of one run apart.
static std::string brief(const NodeId& id) { return id.to_string().substr(0, 8); }
static std::string brief(const FileHash& hash) { return hash.to_string().substr(0, 8); }

static std::string number(uint64_t value) { return std::to_string(value); }

static std::string text_of(const RoleChanged& e) {
  return "role " + std::string(to_text(e.role)) + ", epoch " + number(e.epoch.value) +
         ", supernode " + brief(e.supernode);
}
static std::string text_of(const RosterChanged& e) {
  std::string out = "roster of epoch " + number(e.epoch.value) + ":";
  for (const Peer& peer : e.peers) {
    out += ' ' + peer.nick + '/' + std::string(to_text(peer.role)) + '/' +
           std::string(to_text(peer.path)) + '/' + number(peer.rank);
  }
  return out;
}
static std::string text_of(const PeerJoined& e) { return e.nick + " joined"; }
static std::string text_of(const PeerLeft& e) {
  return e.nick + " left (" + std::string(to_text(e.reason)) + ")";
}
static std::string text_of(const ChatDelivered& e) {
  // Long texts by their size and both ends: a line stays a line.
  const std::string shown = e.text.size() <= 60
                                ? e.text
                                : e.text.substr(0, 28) + "..." + e.text.substr(e.text.size() - 28) +
                                      " (" + number(e.text.size()) + " bytes)";
  return "chat " + number(e.place.epoch.value) + "." + number(e.place.seq.value) + " " + e.nick +
         ": " + shown + (e.history ? " (history)" : "");
}
static std::string text_of(const GapFound& e) { return "gap of " + number(e.count); }
static std::string text_of(const TellDelivered& e) { return "tell " + e.nick + ": " + e.text; }
static std::string text_of(const FileOffered& e) {
  return "offered " + e.name + " " + number(e.size) + " " + brief(e.hash) + " by " +
         brief(e.holder);
}
static std::string text_of(const FileWithdrawn& e) {
  return "withdrawn " + e.name + " " + brief(e.hash) + " by " + brief(e.holder);
}
static std::string text_of(const DownloadProgress& e) {
  return "progress " + e.name + " " + number(e.bytes) + "/" + number(e.size);
}
static std::string text_of(const FileReceived& e) {
  return "received " + e.name + " as " + e.path + " in " +
         number(static_cast<uint64_t>(mrt::to_ms(e.took))) + " ms";
}
static std::string text_of(const Migrated& e) {
  return "migrated from " + brief(e.from) + " to " + brief(e.to) + ", epoch " +
         number(e.epoch.value) + " (" + std::string(to_text(e.reason)) + ", " +
         number(static_cast<uint64_t>(mrt::to_ms(e.took))) + " ms)";
}
static std::string text_of(const JoinDone&) { return "join done"; }
static std::string text_of(const OwnStable& e) { return "stable up to " + number(e.number); }
static std::string text_of(const CommandFailed& e) {
  return "command " + number(e.command.value) + " failed: " + std::string(to_text(e.code)) + ", " +
         e.message;
}
static std::string text_of(const CommandDone& e) {
  return "command " + number(e.command.value) + " done";
}
static std::string text_of(const AccessChanged& e) {
  return "access " + number(static_cast<uint64_t>(e.access));
}
static std::string text_of(const NatChanged& e) {
  return "NAT " + std::string(stun::to_text(e.behaviour.type));
}
static std::string text_of(const KeysLogged&) { return "keys logged"; }
static std::string text_of(const Noted& e) { return "note: " + e.text; }
static std::string text_of(const Stopped& e) { return "stopped: " + e.reason; }
static std::string text_of(const FileRequest& e) { return "disk request " + number(e.index()); }
static std::string text_of(const SocketRequest& e) { return "socket request " + number(e.index()); }

std::string describe(const Event& event) {
  return std::visit([](const auto& e) { return text_of(e); }, event);
}

static std::string text_of(const mrt::Frame& frame) {
  struct Text {
    std::string stream(mrt::StreamId id) const { return " s" + number(id.value); }
    std::string operator()(const mrt::PaddingFrame&) const { return "PADDING"; }
    std::string operator()(const mrt::PingFrame&) const { return "PING"; }
    std::string operator()(const mrt::AckFrame& f) const {
      return "ACK " + number(f.largest) + (f.count > 0 ? "+" + number(f.count) : "");
    }
    std::string operator()(const mrt::CloseFrame& f) const { return "RCLS " + number(f.code); }
    std::string operator()(const mrt::AuthFrame&) const { return "AUTH"; }
    std::string operator()(const mrt::MaxDataFrame& f) const {
      return "MAX_DATA " + number(f.bytes);
    }
    std::string operator()(const mrt::MaxStreamDataFrame& f) const {
      return "MAX_STREAM_DATA" + stream(f.stream) + ' ' + number(f.bytes);
    }
    std::string operator()(const mrt::DataBlockedFrame& f) const {
      return "DATA_BLOCKED " + number(f.bytes);
    }
    std::string operator()(const mrt::StreamDataBlockedFrame& f) const {
      return "STREAM_DATA_BLOCKED" + stream(f.stream) + ' ' + number(f.bytes);
    }
    std::string operator()(const mrt::ResetStreamFrame& f) const {
      return "RESET_STREAM" + stream(f.stream);
    }
    std::string operator()(const mrt::StopSendingFrame& f) const {
      return "STOP_SENDING" + stream(f.stream);
    }
    std::string operator()(const mrt::PathChallengeFrame&) const { return "PATH_CHALLENGE"; }
    std::string operator()(const mrt::PathResponseFrame&) const { return "PATH_RESPONSE"; }
    std::string operator()(const mrt::MaxStreamsFrame& f) const {
      return "MAX_STREAMS " + number(f.count);
    }
    std::string operator()(const mrt::DataFrame& f) const {
      return "DATA" + stream(f.stream) + ' ' + number(f.offset) + '+' + number(f.bytes.size()) +
             (f.fin ? " FIN" : "");
    }
    std::string operator()(const mrt::DatagramFrame& f) const {
      return "DATAGRAM " + number(f.bytes.size());
    }
  };
  return std::visit(Text{}, frame);
}

/// In suite plain the frames can be read by anybody.
static std::string text_of_short(mrt::ByteView packet) {
  const auto header = mrt::read_short_header(packet);
  if (!header || packet.size() < header->size() + mrt::trailer_bytes) return "short, malformed";
  std::string out = "short #" + number(header->number_truncated) + ' ' + number(packet.size());
  mrt::Reader in(
      packet.subspan(header->size()).first(packet.size() - header->size() - mrt::trailer_bytes));
  const char* separator = ": ";
  while (in.remaining() > 0) {
    const auto frame = mrt::read_frame(in);
    if (!frame) return out + separator + "malformed";
    if (std::holds_alternative<mrt::PaddingFrame>(*frame)) continue;
    out += separator + text_of(*frame);
    separator = ", ";
  }
  return out;
}

std::string describe_datagram(mrt::ByteView bytes) {
  if (bytes.empty()) return "empty";
  const std::string size = ' ' + number(bytes.size());
  // WIRE.md 2 and 3: the first byte tells.
  switch (bytes[0]) {
    case 0xc0:
      return "RCON" + size;
    case 0xc1:
      return "ACON" + size;
    case 0xc2:
      return "COOKIE" + size;
    case 0xc3:
      return "RESET" + size;
    case 0xc4:
      return "VERSION" + size;
    case 0xc5:
      return "OPENING" + size;
    case 0xc6:
      return "REFUSE" + size;
    default:
      break;
  }
  const bool is_short = mrt::packet_form(bytes[0]) == mrt::PacketForm::short_packet;
  return is_short ? text_of_short(bytes) : "unknown" + size;
}

static std::string text_of(Duration duration) {
  return duration % std::chrono::milliseconds(1) == Duration{}
             ? std::to_string(mrt::to_ms(duration)) + " ms"
             : std::to_string(mrt::to_us(duration)) + " us";
}

static std::string percent(double share) {
  const auto tenths = static_cast<uint64_t>(share * 1000 + 0.5);
  return number(tenths / 10) + (tenths % 10 != 0 ? '.' + number(tenths % 10) : "") + " %";
}

std::string describe(const LinkSpec& spec) {
  std::string out = "delay " + text_of(spec.delay);
  if (spec.jitter > Duration{}) out += ", jitter " + text_of(spec.jitter);
  if (spec.rate_bytes_per_s > 0) out += ", rate " + number(spec.rate_bytes_per_s / 1000) + " KB/s";
  const std::pair<const char*, double> shares[] = {{"loss", spec.loss},
                                                   {"burst loss", spec.burst_loss},
                                                   {"duplicates", spec.duplicate},
                                                   {"reordered", spec.reorder},
                                                   {"corrupt", spec.corrupt}};
  for (const auto& [name, share] : shares) {
    if (share > 0) out += std::string(", ") + name + ' ' + percent(share);
  }
  return out;
}

}  // namespace node::sim
