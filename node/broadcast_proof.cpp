// SPDX-License-Identifier: MIT
#include "node/broadcast_proof.h"

namespace node {

static mrt::Bytes signed_bytes(std::string_view network, Incarnation life, uint64_t number,
                               BroadcastKind kind, const mrt::Bytes& body) {
  mrt::Builder out;
  out.sized_text("thuban broadcast 1");
  out.sized_text(network);
  out.u64(life.value);
  out.u64(number);
  out.u8(static_cast<uint8_t>(kind));
  out.sized_bytes(body);
  return out.take();
}

mrt::Signature sign_broadcast(const Signer& signer, const Publish& message) {
  return signer.identity.sign(signed_bytes(signer.network, message.incarnation, message.number,
                                           message.kind, message.body));
}

bool is_proven(const Ordered& message, std::string_view network) {
  const MessageId& id = message.id;
  return node_id_of(message.key) == id.sender &&
         mrt::is_signed_by(
             message.key,
             signed_bytes(network, id.incarnation, id.number, message.kind, message.body),
             message.signature);
}

}  // namespace node
