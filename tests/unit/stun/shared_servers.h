// SPDX-License-Identifier: MIT
//
// Rendezvous servers that share their tables by way of a store, in virtual time: for tests. The
// store knows of Redis what the servers use of it, and nothing more.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>

#include "stun/rendezvous_key.h"
#include "stun/rendezvous_service.h"

namespace stun::test {

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using Reply = StoreReply;

inline Reply text(std::string said) { return {Reply::Kind::text, std::move(said), 0, {}}; }
inline Reply number(int64_t said) { return {Reply::Kind::number, "", said, {}}; }
inline Reply list(std::vector<Reply> said) { return {Reply::Kind::list, "", 0, std::move(said)}; }

struct Store {
  struct Value {
    std::string text;
    Instant ends_at = mrt::never;
  };
  std::map<std::string, Value> values;
  bool read_only = false;

  std::vector<std::string> keys(Instant now) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : values) {
      if (now < value.ends_at) out.push_back(key);
    }
    return out;
  }
  /// Everything but SUBSCRIBE and PUBLISH.
  Reply answer(Instant now, const std::vector<std::string>& words) {
    const std::string& verb = words[0];
    if (verb == "PING") return text("PONG");
    if (verb == "SCAN") return page(now, words);
    const auto known = values.find(words[1]);
    const bool lives = known != values.end() && now < known->second.ends_at;
    if (verb == "GETRANGE") {
      REQUIRE(words[2] == "0");
      return text(lives ? known->second.text.substr(0, std::stoul(words[3]) + 1) : "");
    }
    if (verb == "PTTL") {
      if (!lives) return number(-2);
      return number(known->second.ends_at == mrt::never ? -1
                                                        : mrt::to_ms(known->second.ends_at - now));
    }
    if (read_only) return {Reply::Kind::error, "READONLY You can't write", 0, {}};
    if (verb == "DEL") return number(static_cast<int64_t>(values.erase(words[1])));
    REQUIRE((verb == "SET" && words[3] == "PX"));
    values[words[1]] = {words[2], now + std::chrono::milliseconds(std::stoi(words[4]))};
    return text("OK");
  }

 private:
  Reply page(Instant now, const std::vector<std::string>& words) const {
    REQUIRE((words[2] == "MATCH" && words[4] == "COUNT"));
    const auto all = keys(now);
    const size_t from = std::stoul(words[1]), count = std::stoul(words[5]);
    std::vector<Reply> out;
    for (size_t i = from; i < std::min(from + count, all.size()); ++i) {
      if (all[i].size() == words[3].size()) out.push_back(text(all[i]));
    }
    const size_t next = from + count < all.size() ? from + count : 0;
    return list({text(std::to_string(next)), list(std::move(out))});
  }
};

struct SharedServers {
  struct Server {
    Address address;
    std::unique_ptr<RendezvousService> service;
    bool up = false, loaded = false, silent = false;
    std::vector<std::string> refusals{};
    std::vector<std::string> channels{};
    std::vector<std::pair<Address, RendezvousMessage>> sent{};  // since it was last looked at
  };

  Store store;
  std::deque<Server> servers;
  Instant now{100s};
  std::vector<RendezvousKey> keys;

  Server& add() {
    const auto i = static_cast<uint8_t>(servers.size() + 1);
    Server& out = servers.emplace_back(Server{Address::v4(198, 51, 100, i, 7700), nullptr});
    out.service = std::make_unique<RendezvousService>(std::vector{out.address}, mrt::seed_from(i));
    out.service->share({i}, 0);
    return out;
  }
  Server& add_up(bool near = false) {
    Server& out = add();
    bring_up(out, near);
    return out;
  }
  void bring_up(Server& server, bool near = false) {
    server.up = true;
    server.service->on_store_up(now, near);
    run(0s);
  }
  void take_down(Server& server) {
    server.up = server.loaded = false;
    server.channels.clear();
    server.service->on_store_down();
  }

  void run(mrt::Duration duration) {
    const Instant end = now + duration;
    while (true) {
      Instant next = mrt::never;
      // Twice: what one says may make another speak.
      for (int i = 0; i < 2; ++i) {
        for (Server& server : servers) settle(server);
      }
      for (Server& server : servers) next = std::min(next, server.service->next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      for (Server& server : servers) {
        if (server.service->next_timeout() > now) continue;
        server.service->on_timeout(now);
      }
    }
    now = end;
  }

  void publish(const std::string& channel, const std::string& said) {
    for (Server& server : servers) {
      const auto& in = server.channels;
      if (!server.up || std::find(in.begin(), in.end(), channel) == in.end()) continue;
      server.service->on_store_reply(now, StoreLine::messages,
                                     list({text("message"), text(channel), text(said)}));
    }
  }

  // What hosts say to a server; the answers.
  std::vector<RendezvousMessage> tell(Server& server, const Address& from,
                                      const RendezvousMessage& message) {
    Bytes bytes = write_rendezvous(message);
    server.sent.clear();
    server.service->on_datagrams(now, {server.address, from}, mrt::Ecn::not_ect, bytes.size(),
                                 bytes);
    settle(server);
    std::vector<RendezvousMessage> out;
    for (const auto& [to, said] : server.sent) {
      if (to == from) out.push_back(said);
    }
    return out;
  }
  RendezvousCookie cookie(Server& server, const Address& from) {
    return std::get<CookieGiven>(tell(server, from, Find{}).at(0)).cookie;
  }
  const RendezvousKey& key(size_t network) {
    while (keys.size() <= network) {
      keys.emplace_back(open_rendezvous_seed(std::to_string(keys.size())));
    }
    return keys[network];
  }
  Registration registration(Server& server, size_t network, const Address& from,
                            uint64_t transaction = 7) {
    Registration out;
    out.transaction = transaction;
    out.cookie = cookie(server, from);
    out.node = {9};
    out.epoch = 1;
    out.sequence = 1;
    out.life_seconds = 60;
    out.told = {Address::v4(10, 0, 0, 1, 7777)};
    out.symmetric = true;
    key(network).sign(out);
    return out;
  }
  void enrol(Server& server, size_t network, const Address& from, uint64_t transaction = 7) {
    const auto said = tell(server, from, registration(server, network, from, transaction));
    REQUIRE(std::holds_alternative<Registered>(said.at(0)));
  }
  bool keep(Server& server, size_t network, const Address& from, bool leave = false,
            uint64_t transaction = 7) {
    const auto said = tell(server, from, Keep{transaction, key(network).id(), {9}, leave});
    return std::holds_alternative<Registered>(said.at(0));
  }
  std::vector<Whereabouts> found(Server& server, size_t network, bool introduce = false) {
    const Address looker = Address::v4(192, 0, 2, 9, 40'000);
    const Find find{5, introduce, cookie(server, looker), key(network).id(), {}, true};
    for (const auto& said : tell(server, looker, find)) {
      if (const auto* answer = std::get_if<Found>(&said)) return answer->supernodes;
    }
    FAIL("no answer");
    return {};
  }
  bool finds(Server& server, size_t network) { return !found(server, network).empty(); }

 private:
  void settle(Server& server) {
    while (auto event = server.service->poll_event()) {
      if (auto* command = std::get_if<StoreCommand>(&*event)) {
        carry(server, *command);
      } else if (auto* refused = std::get_if<StoreRefused>(&*event)) {
        server.refusals.push_back(refused->why);
      } else {
        (std::holds_alternative<StoreLoaded>(*event) ? server.loaded : server.silent) = true;
      }
    }
    Bytes buffer(mrt::batch_bytes_max);
    while (const auto batch = server.service->poll_transmit(now, buffer)) {
      const auto said = parse_rendezvous(mrt::ByteView(buffer).first(batch->size));
      REQUIRE(said);
      server.sent.emplace_back(batch->path.remote, *said);
    }
    CHECK(server.service->is_consistent());
  }
  void carry(Server& server, const StoreCommand& command) {
    if (!server.up) return;
    const auto& words = command.words;
    if (words[0] == "SUBSCRIBE") {
      for (size_t i = 1; i < words.size(); ++i) {
        server.channels.push_back(words[i]);
        server.service->on_store_reply(
            now, StoreLine::messages,
            list({text("subscribe"), text(words[i]), number(static_cast<int64_t>(i))}));
      }
      return;
    }
    if (words[0] == "PUBLISH") {
      publish(words[1], words[2]);
      server.service->on_store_reply(now, command.line, number(1));
      return;
    }
    server.service->on_store_reply(now, command.line, store.answer(now, words));
  }
};

}  // namespace stun::test
