// SPDX-License-Identifier: MIT
//
// What the client itself has to tell, beside the node's events (node/events.h): values that
// json.h and screen.h put into words.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/types.h"
#include "node/events.h"

namespace client {

/// The first event.
struct Listening {
  node::NodeId node;
  std::string nick;
  mrt::Address address;
  std::string network;
};
struct Invited {
  std::string invite;
  mrt::Address address;
  mrt::Access access;  // of the network: what others need beside the invite
};
/// What was asked for with P, G and S.
struct PeersAsked {
  node::RosterChanged roster;
};
struct FilesAsked {
  std::vector<node::FileRow> files;
};
struct StatsAsked {
  std::vector<std::pair<node::NodeId, mrt::ConnectionStats>> connections;
};
/// `command`: the line or command that failed, "" if none.
struct Failed {
  node::ErrorCode code;
  std::string message;
  std::string command;
};
/// The last event.
struct Ended {
  std::string reason;
};

using Report = std::variant<Listening, Invited, PeersAsked, FilesAsked, StatsAsked, Failed, Ended>;

}  // namespace client
