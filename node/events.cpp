// SPDX-License-Identifier: MIT
#include "node/events.h"

namespace node {

std::string_view to_text(Role role) {
  switch (role) {
    case Role::alone:
      return "alone";
    case Role::member:
      return "member";
    case Role::supernode:
      return "supernode";
  }
  return "";
}

std::string_view to_text(PathKind path) {
  switch (path) {
    case PathKind::local:
      return "local";
    case PathKind::direct:
      return "direct";
    case PathKind::relayed:
      return "relayed";
  }
  return "";
}

std::string_view to_text(RelayReason reason) {
  switch (reason) {
    case RelayReason::none:
      return "";
    case RelayReason::not_needed:
      return "no successor";
    case RelayReason::connecting:
      return "being connected";
    case RelayReason::no_answer:
      return "no answer to punching";
    case RelayReason::symmetric_nat:
      return "symmetric NAT";
  }
  return "";
}

std::string_view to_text(LeaveReason reason) {
  switch (reason) {
    case LeaveReason::quit:
      return "quit";
    case LeaveReason::lost:
      return "lost";
    case LeaveReason::refused:
      return "refused";
  }
  return "";
}

std::string_view to_text(MigrationReason reason) {
  switch (reason) {
    case MigrationReason::left:
      return "left";
    case MigrationReason::lost:
      return "lost";
    case MigrationReason::handover:
      return "handover";
    case MigrationReason::merged:
      return "merged";
  }
  return "";
}

std::string_view to_text(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return "usage";
    case ErrorCode::unreachable:
      return "unreachable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::refused:
      return "refused";
    case ErrorCode::auth:
      return "auth";
    case ErrorCode::ambiguous:
      return "ambiguous";
    case ErrorCode::not_found:
      return "not-found";
    case ErrorCode::integrity:
      return "integrity";
    case ErrorCode::disk:
      return "disk";
    case ErrorCode::limit:
      return "limit";
    case ErrorCode::network:
      return "network";
  }
  return "";
}

}  // namespace node
