// SPDX-License-Identifier: MIT
#include "node/outbox.h"

#include <doctest/doctest.h>

#include <string>

using namespace node;
using mrt::Priority;

namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

Outgoing message(uint8_t to, Priority priority, uint8_t mark) {
  return {node_id(to), priority, std::make_shared<const mrt::Bytes>(1, mark)};
}

/// Who gets what, in order: "1a 2b".
std::string drain(Outbox& outbox) {
  std::string out;
  while (const auto next = outbox.poll()) {
    CHECK(outbox.is_consistent());
    out += std::to_string(next->to.bytes[0]) + static_cast<char>(next->message->front()) + " ";
  }
  return out;
}

}  // namespace

TEST_CASE("neighbours take turns, and requests go before chunks") {
  Outbox outbox;
  outbox.put(message(1, Priority::bulk, 'a'));
  outbox.put(message(1, Priority::bulk, 'b'));
  outbox.put(message(1, Priority::normal, 'c'));
  outbox.put(message(2, Priority::bulk, 'd'));
  outbox.put(message(3, Priority::bulk, 'e'));
  CHECK(outbox.unsent(node_id(1)) == 2);
  CHECK(outbox.unsent() == 4);
  CHECK(drain(outbox) == "1c 2d 3e 1a 1b ");
  CHECK(outbox.unsent() == 0);
}

TEST_CASE("chunks that are taken back leave the rest as it is") {
  Outbox outbox;
  outbox.put(message(1, Priority::normal, 'a'));
  outbox.put_back(message(1, Priority::bulk, 'b'));
  outbox.put(message(2, Priority::bulk, 'c'));
  outbox.put(message(3, Priority::bulk, 'd'));
  CHECK(outbox.take_chunks(node_id(1)).size() == 1);
  CHECK(outbox.take_chunks(node_id(2)).size() == 1);
  CHECK(outbox.take_chunks(node_id(4)).empty());
  CHECK(outbox.is_blocked(node_id(1)));
  CHECK(outbox.unsent() == 1);
  CHECK(drain(outbox) == "3d ");
  outbox.on_writable(node_id(1));
  CHECK(drain(outbox) == "1a ");
}

TEST_CASE("a neighbour whose connection is full holds up nobody else") {
  Outbox outbox;
  outbox.put(message(1, Priority::bulk, 'a'));
  outbox.put(message(1, Priority::bulk, 'b'));
  outbox.put(message(2, Priority::bulk, 'c'));
  outbox.put_back(*outbox.poll());
  CHECK(outbox.is_blocked(node_id(1)));
  outbox.put(message(1, Priority::normal, 'd'));
  CHECK(drain(outbox) == "2c ");
  CHECK(outbox.unsent(node_id(1)) == 2);
  outbox.on_writable(node_id(1));
  CHECK_FALSE(outbox.is_blocked(node_id(1)));
  CHECK(drain(outbox) == "1d 1a 1b ");
}

TEST_CASE("what was given back is the first to go of its kind") {
  Outbox outbox;
  outbox.put(message(1, Priority::bulk, 'a'));
  outbox.put(message(1, Priority::bulk, 'b'));
  outbox.put_back(*outbox.poll());
  outbox.on_writable(node_id(1));
  CHECK(drain(outbox) == "1a 1b ");
}

TEST_CASE("messages to one who is gone are gone") {
  Outbox outbox;
  outbox.put(message(1, Priority::bulk, 'a'));
  outbox.put(message(2, Priority::bulk, 'b'));
  outbox.put_back(message(1, Priority::bulk, 'c'));
  outbox.on_peer_gone(node_id(1));
  CHECK_FALSE(outbox.is_blocked(node_id(1)));
  CHECK(outbox.unsent() == 1);
  CHECK(drain(outbox) == "2b ");
}

TEST_CASE("a writable neighbour without messages is nothing new") {
  Outbox outbox;
  outbox.on_writable(node_id(1));
  CHECK_FALSE(outbox.poll());
  outbox.put_back(message(1, Priority::normal, 'a'));
  CHECK_FALSE(outbox.poll());
  outbox.on_writable(node_id(1));
  CHECK(drain(outbox) == "1a ");
  CHECK(outbox.is_consistent());
}

TEST_CASE("answers that a neighbour does not read are not kept without end") {
  Outbox outbox;
  outbox.put_back(message(1, Priority::normal, 'a'));
  for (size_t i = 0; i < 2 * control_messages_max; ++i) {
    outbox.put(message(1, Priority::normal, 'b'));
  }
  outbox.on_writable(node_id(1));
  size_t count = 0;
  while (outbox.poll()) ++count;
  CHECK(count == control_messages_max);
}
