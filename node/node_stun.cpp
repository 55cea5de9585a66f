// SPDX-License-Identifier: MIT
//
// STUN and rendezvous share the sockets with MRT: the first byte tells which a datagram is
// (RFC 7983, WIRE.md 2).
#include <algorithm>

#include "node/node_state.h"
#include "stun/message.h"

namespace node {

void Node::State::on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn,
                               size_t segment_size, mrt::MutableBytes bytes) {
  const size_t each = segment_size == 0 ? bytes.size() : segment_size;
  if (stun_port.is_second(path)) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(each, bytes.size()))) {
      if (stun::may_be_stun(bytes[0]))
        stun_port.on_datagram(now, path, bytes.first(std::min(each, bytes.size())));
    }
    return;
  }
  // From `begin` on, all is MRT's, and stays together: it is opened as a batch.
  size_t begin = 0;
  const auto pass_on = [&](size_t end) {
    if (end > begin)
      endpoint.on_datagrams(now, path, ecn, segment_size, bytes.subspan(begin, end - begin));
  };
  for (size_t at = 0; at < bytes.size(); at += each) {
    const bool of_stun = stun::may_be_stun(bytes[at]);
    if (!of_stun && !(rendezvous && stun::is_rendezvous(bytes[at]))) continue;
    pass_on(at);
    const auto datagram = bytes.subspan(at, std::min(each, bytes.size() - at));
    begin = at + datagram.size();
    if (of_stun) {
      stun_port.on_datagram(now, path, datagram);
    } else {
      rendezvous->on_datagrams(now, path, ecn, datagram.size(), datagram);
    }
  }
  pass_on(bytes.size());
}

}  // namespace node
