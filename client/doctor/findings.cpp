// SPDX-License-Identifier: MIT
#include "client/doctor/findings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/nat_words.h"
#include "stun/beacon.h"
#include "stun/nat_watch.h"

namespace client {

namespace {

using Json = nlohmann::ordered_json;

/// A mapping is held by a question each 25 s (stun::NatWatch), late by two at most, and while
/// somebody is connected by MRT's keep-alives, each 10 s.
constexpr mrt::Duration needed_lifetime = std::chrono::seconds(27);
static_assert(needed_lifetime > stun::mapping_check_interval);
/// RFC 4787 REQ-5.
constexpr int recommended_timeout_s = 120;

Finding buffer_finding(const char* check, const char* which, const char* setting, size_t granted,
                       size_t wanted) {
  Finding out{check, granted >= wanted,
              fmt::format("the kernel grants {} KiB {}", granted / 1024, which)};
  if (out.fine) return out;
  out.text += fmt::format(" of {} KiB", wanted / 1024);
  // In a file of its own it lasts beyond the next start.
  out.fix = fmt::format(
      "sudo sysctl -w net.core.{0}={1}; "
      "echo net.core.{0}={1} | sudo tee /etc/sysctl.d/60-thuban.conf",
      setting, wanted);
  return out;
}

Finding batch_finding(const char* check, const char* what, bool has, const char* since) {
  Finding out{check, has, fmt::format("{} {}", what, has ? "works" : "does not work")};
  if (!has) {
    out.fix = fmt::format(
        "unset THUBAN_NO_GSO, or take Linux {} or later: each packet costs a "
        "call otherwise",
        since);
  }
  return out;
}

const char* family_of(const NatFacts& facts) { return facts.v4 ? "IPv4" : "IPv6"; }

Finding finding_of(const stun::ServerFailed& failed) {
  std::string why = "does not answer";
  if (failed.why == stun::Failure::refused) why = fmt::format("refuses: error {}", failed.code);
  if (failed.why == stun::Failure::unusable) why = "says an address that cannot be";
  return {"stun-server", false,
          fmt::format("the STUN server {} {}", failed.server.to_string(), why),
          "name another one by --stun HOST:PORT"};
}

/// The address that the other side must be given, where it is the same for all.
Finding mapped_finding(const NatFacts& facts) {
  const stun::Behaviour& found = facts.behaviour;
  std::string text = fmt::format("over {} the world sees this socket as {}", family_of(facts),
                                 found.mapped->to_string());
  if (!found.is_translated())
    text += ", which is its own: there is no NAT";
  else if (found.mapping == stun::Dependence::endpoint_independent && found.local)
    text += fmt::format("; a node that is started with --bind {}:{} now is called there",
                        facts.v4 ? "0.0.0.0" : "[::]", found.local->port);
  return {"mapped-address", true, text};
}

const char* name_of(stun::PortMapProtocol protocol) {
  switch (protocol) {
    case stun::PortMapProtocol::pcp:
      return "PCP";
    case stun::PortMapProtocol::nat_pmp:
      return "NAT-PMP";
    case stun::PortMapProtocol::upnp:
      return "UPnP";
  }
  return "";
}

/// Without its port.
std::string host_of(const mrt::Address& address) {
  const std::string text = address.to_string();
  return text.substr(0, text.rfind(':'));
}

}  // namespace

std::vector<Finding> findings_of(const SocketFacts& facts) {
  return {buffer_finding("receive-buffer", "to receive", "rmem_max", facts.receive_buffer_bytes,
                         facts.receive_buffer_wanted),
          buffer_finding("send-buffer", "to send", "wmem_max", facts.send_buffer_bytes,
                         facts.send_buffer_wanted),
          batch_finding("gso", "sending in batches (UDP_SEGMENT)", facts.segments, "4.18"),
          batch_finding("gro", "receiving in batches (UDP_GRO)", facts.coalesces, "5.0")};
}

std::vector<Finding> findings_of(const NatFacts& facts) {
  std::vector<Finding> out;
  for (const stun::AddressFound& one : facts.answered) {
    out.push_back({"stun-server", true,
                   fmt::format("the STUN server {} sees {} ({:.1f} ms)", one.server.to_string(),
                               one.mapped.to_string(), 1e3 * mrt::to_seconds(one.took))});
  }
  for (const stun::ServerFailed& one : facts.failed) out.push_back(finding_of(one));
  const stun::Behaviour& found = facts.behaviour;
  if (found.mapped) out.push_back(mapped_finding(facts));
  if (found.hairpins) {
    out.push_back({"hairpin", true,
                   fmt::format("{}: the mapped address {} be called from behind the same NAT",
                               family_of(facts), *found.hairpins ? "can" : "cannot")});
  }
  const std::string fix(fix_for(found.type));
  out.push_back(
      {"nat", fix.empty(),
       fmt::format("{}: {} ({}; mapping {}, filtering {})", family_of(facts), to_text(found.type),
                   meaning_of(found.type), to_text(found.mapping), to_text(found.filtering)),
       fix});
  return out;
}

Finding finding_of(const GatewayFacts& facts) {
  const std::string gateway = host_of(facts.gateway), own = host_of(facts.own);
  std::string offered, refused;
  std::optional<mrt::Address> external;
  for (const auto& [protocol, news] : facts.state) {
    if (news.external) {
      offered += fmt::format("{}{}", offered.empty() ? "" : " and ", name_of(protocol));
      external = news.external;
    } else if (news.refused != 0) {
      refused +=
          fmt::format("{}{}: {}", refused.empty() ? "" : ", ", name_of(protocol), news.refused);
    }
  }
  Finding out{"port-mapping", false, ""};
  const std::string by_hand =
      fmt::format("or forward a UDP port in it to {} and start with --bind 0.0.0.0:PORT", own);
  if (!external && refused.empty()) {
    out.text = fmt::format("the router {} answers neither UPnP-IGD nor NAT-PMP nor PCP", gateway);
    out.fix = fmt::format("switch UPnP-IGD, NAT-PMP or PCP on in the router (http://{}/), {}",
                          gateway, by_hand);
  } else if (!external) {
    out.text = fmt::format("the router {} refuses to lead a port here ({})", gateway, refused);
    out.fix =
        fmt::format("allow {} to map ports in the router (http://{}/), {}", own, gateway, by_hand);
  } else if (external->is_private()) {
    out.text = fmt::format(
        "the router {} leads ports here by {}, but its own address {} is not a "
        "public one: another NAT stands before it",
        gateway, offered, host_of(*external));
    out.fix = "ask the provider for a public address, or map the port on that other router too";
  } else {
    out.fine = true;
    out.text = fmt::format("the router {} leads ports here by {}: {}", gateway, offered,
                           host_of(*external));
  }
  return out;
}

Finding finding_of(const ClockFacts& facts) {
  if (!facts.told) return {"clock", true, "the kernel does not say whether the clock is right"};
  if (facts.in_step) return {"clock", true, "the clock is kept in step"};
  return {"clock", false,
          "nothing keeps the clock in step: the times in logs and events of several hosts will not "
          "agree (nodes themselves need none)",
          "sudo timedatectl set-ntp true"};
}

Finding finding_of(const MulticastFacts& facts) {
  Finding out{
      "multicast", facts.heard,
      fmt::format("multicast {} on {}", facts.heard ? "works" : "does not work", facts.interface)};
  if (!facts.heard) {
    const std::string group = host_of(stun::beacon_group(true));
    out.text += ": networks are not found there by name alone";
    out.fix = fmt::format(
        "let UDP to {0} in at this host's firewall, with nftables for example: sudo nft insert "
        "rule "
        "inet filter input ip daddr {0} accept",
        group);
  }
  return out;
}

Finding finding_of(const LifetimeFacts& facts) {
  std::string text = facts.v4 ? "IPv4: " : "IPv6: ";
  if (!facts.found)
    return {"mapping-lifetime", true, text + "there is no NAT, and no mapping that could end"};
  const auto& [survived, ended] = *facts.found;
  const auto seconds = [](mrt::Duration pause) { return mrt::to_seconds(pause); };
  if (!survived && !ended) {
    return {"mapping-lifetime", true,
            text +
                "how long the NAT keeps a mapping is unknown: no server that was asked answers "
                "at another port (RESPONSE-PORT); any supernode and thuban rendezvous does"};
  }
  text += "a mapping lives";
  if (survived) text += fmt::format(" longer than {:.0f} s", seconds(*survived));
  if (ended)
    text += fmt::format("{} less than {:.0f} s", survived ? " and" : "", seconds(*ended));
  else if (*survived != stun::lifetime_pauses.back())
    text += ", and then no server answered";
  text += " without traffic";
  if (!ended || *ended > needed_lifetime) return {"mapping-lifetime", true, text};
  text += survived ? ": an address in an invite may end before it is held again"
                   : ": connections end where nothing is said";
  return {"mapping-lifetime", false, text,
          fmt::format("set the router's time-out for UDP to two minutes (RFC 4787); on Linux: sudo "
                      "sysctl -w net.netfilter.nf_conntrack_udp_timeout={}",
                      recommended_timeout_s)};
}

std::string to_text(const Finding& finding) {
  std::string out = fmt::format("{:<6}{}\n", finding.fine ? "ok" : "FAULT", finding.text);
  if (!finding.fix.empty()) out += fmt::format("      -> {}\n", finding.fix);
  return out;
}

std::string to_json(const Finding& finding, int64_t ts) {
  const Json out = {{"event", "finding"},     {"ts", ts},
                    {"check", finding.check}, {"fine", finding.fine},
                    {"text", finding.text},   {"fix", finding.fix}};
  return out.dump() + '\n';
}

}  // namespace client
