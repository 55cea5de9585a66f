// SPDX-License-Identifier: MIT
//
// One of each event, with a peer's text wherever a peer could put some.
#pragma once

#include <string>
#include <vector>

#include "client/report.h"

namespace client {

inline node::NodeId id_of(uint8_t number) {
  node::NodeId id;
  id.bytes.fill(number);
  return id;
}

inline node::FileHash hash_of(uint8_t number) {
  node::FileHash hash;
  hash.bytes.fill(number);
  return hash;
}

inline node::Peer peer_of(uint8_t number, const std::string& nick) {
  return {id_of(number),
          nick,
          mrt::Address::v4(127, 0, 0, 1, 7700),
          node::Role::member,
          node::PathKind::local,
          std::chrono::microseconds(250),
          1};
}

inline std::vector<node::Event> all_node_events(const std::string& text) {
  using namespace node;
  const Epoch epoch{3};
  return {
      RoleChanged{Role::member, epoch, id_of(1)},
      RosterChanged{epoch, id_of(1), {peer_of(1, text), peer_of(2, text)}},
      PeerJoined{id_of(2), text},
      PeerLeft{id_of(2), text, LeaveReason::lost},
      ChatDelivered{id_of(2), text, text, {id_of(2), Incarnation{9}, 4}, {epoch, Seq{7}}},
      ChatDelivered{id_of(2), text, text, {id_of(2), Incarnation{9}, 3}, {epoch, Seq{6}}, true},
      GapFound{id_of(2), 5},
      GapFound{NodeId{}, 1},
      TellDelivered{id_of(2), text, text},
      FileOffered{text, 4'200'000, hash_of(0xab), id_of(2)},
      FileWithdrawn{text, 4'200'000, hash_of(0xab), id_of(2)},
      DownloadProgress{text, hash_of(0xab), 10, 100, 5, PathKind::relayed},
      FileReceived{text, "/tmp/" + text, 100, hash_of(0xab), std::chrono::milliseconds(12)},
      Migrated{id_of(1), id_of(2), epoch, MigrationReason::lost, std::chrono::milliseconds(412)},
      JoinDone{CommandId{1}},
      OwnStable{4},
      CommandFailed{CommandId{1}, ErrorCode::ambiguous, text},
      CommandDone{CommandId{1}},
      Noted{text},
      Stopped{text},
      AccessChanged{mrt::Access::open},
      KeysLogged{text},
      NatChanged{{stun::NatType::port_restricted, stun::Dependence::endpoint_independent,
                  stun::Dependence::address_and_port_dependent,
                  mrt::Address::v4(192, 0, 2, 1, 7700)}}};
}

inline std::vector<Report> all_reports(const std::string& text) {
  mrt::ConnectionStats stats;
  stats.rtt = std::chrono::microseconds(1500);
  stats.bytes_sent = 1000;
  stats.packets_lost = 2;
  const node::FileRow row{text, 5, hash_of(0xab), {id_of(1), id_of(2)}};
  return {Listening{id_of(1), text, mrt::Address::v4(127, 0, 0, 1, 7700), text},
          Invited{"thuban:abc", mrt::Address::v4(127, 0, 0, 1, 7700), mrt::Access::secret},
          PeersAsked{{node::Epoch{3}, id_of(1), {peer_of(1, text), peer_of(2, text)}}},
          FilesAsked{{row}},
          StatsAsked{{{id_of(2), stats}}},
          Failed{node::ErrorCode::not_found, text, text},
          Ended{text}};
}

/// What peers sent to others before us: a terminal's escapes, C1, bidi, ill-formed UTF-8.
inline const std::vector<std::string> hostile_texts = {
    "\x1b]0;owned\x07\x1b[2J",
    "a\nb\r\ncc: forged",
    "\xc2\x9b"
    "31m",
    "exe.\xe2\x80\xaegpj",
    "\xe2\x81\xa7\xe2\x81\xa9\xe2\x80\x8f",
    std::string("\0\x7f", 2),
    "\xff\xfe\xc0\xaf\xed\xa0\x80",
    "\xf3\xa0\x81\x81\xe2\x80\xa8",
};

}  // namespace client
