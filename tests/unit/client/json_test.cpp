// SPDX-License-Identifier: MIT
#include "client/json.h"

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "client/text.h"
#include "unit/client/events_for_tests.h"

namespace client {

using Json = nlohmann::json;

static constexpr int64_t ts = 1'700'000'000'123;

/// Every line that all events give.
static std::vector<std::string> all_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const auto& event : all_node_events(text)) lines.push_back(to_json(event, ts));
  for (const auto& report : all_reports(text)) lines.push_back(to_json(report, ts));
  std::erase(lines, "");
  return lines;
}

TEST_CASE("each event of the contract has its fields, of the right type") {
  // s: text, i: integer, n: number, a: list.
  using Fields = std::map<std::string, char>;
  const std::map<std::string, Fields> contract = {
      {"listening",
       {{"node", 's'}, {"nick", 's'}, {"addr", 's'}, {"network", 's'}, {"version", 's'}}},
      {"invite", {{"invite", 's'}}},
      {"nat", {{"type", 's'}, {"mapping", 's'}, {"filtering", 's'}, {"mapped", 's'}}},
      {"role", {{"role", 's'}, {"epoch", 'i'}, {"supernode", 's'}}},
      {"roster", {{"epoch", 'i'}, {"supernode", 's'}, {"peers", 'a'}}},
      {"joined", {{"node", 's'}, {"nick", 's'}}},
      {"left", {{"node", 's'}, {"nick", 's'}, {"reason", 's'}}},
      {"chat",
       {{"from", 's'}, {"nick", 's'}, {"text", 's'}, {"id", 's'}, {"epoch", 'i'}, {"seq", 'i'}}},
      {"gap", {{"from", '?'}, {"count", 'i'}}},
      {"tell", {{"from", 's'}, {"nick", 's'}, {"text", 's'}}},
      {"offered", {{"name", 's'}, {"size", 'i'}, {"hash", 's'}, {"holder", 's'}}},
      {"withdrawn", {{"name", 's'}, {"size", 'i'}, {"hash", 's'}, {"holder", 's'}}},
      {"files", {{"files", 'a'}}},
      {"progress",
       {{"name", 's'}, {"hash", 's'}, {"bytes", 'i'}, {"size", 'i'}, {"rate", 'i'}, {"path", 's'}}},
      {"received", {{"name", 's'}, {"path", 's'}, {"size", 'i'}, {"hash", 's'}, {"ms", 'i'}}},
      {"migrated", {{"from", 's'}, {"to", 's'}, {"epoch", 'i'}, {"reason", 's'}, {"ms", 'i'}}},
      {"stats", {{"connections", 'a'}}},
      {"error", {{"code", 's'}, {"message", 's'}, {"command", 's'}}},
      {"closed", {{"reason", 's'}}},
  };
  std::set<std::string> seen;
  for (const std::string& line : all_lines("anna")) {
    const Json object = Json::parse(line);
    const std::string name = object.at("event");
    CHECK(object.at("ts") == ts);
    REQUIRE_MESSAGE(contract.contains(name), name);
    seen.insert(name);
    for (const auto& [field, type] : contract.at(name)) {
      REQUIRE_MESSAGE(object.contains(field), name << '.' << field);
      const Json& value = object.at(field);
      const bool right = type == 's'   ? value.is_string()
                         : type == 'i' ? value.is_number_integer()
                         : type == 'a' ? value.is_array()
                                       : value.is_string() || value.is_null();
      CHECK_MESSAGE(right, name << '.' << field);
    }
  }
  CHECK(seen.size() == contract.size());
}

TEST_CASE("lists have the contract's fields in each row") {
  const auto row_of = [](const Report& report, const char* list) {
    return Json::parse(to_json(report, ts)).at(list).at(0);
  };
  const auto reports = all_reports("anna");
  const Json peer = row_of(reports[2], "peers");
  for (const char* field : {"node", "nick", "addr", "role", "path"})
    CHECK(peer.at(field).is_string());
  CHECK(peer.at("rtt_ms") == 0.25);
  const Json file = row_of(reports[3], "files");
  CHECK(file.at("size") == 5);
  CHECK(file.at("holders").size() == 2);
  CHECK(file.at("hash") == hash_of(0xab).to_string());
  const Json connection = row_of(reports[4], "connections");
  for (const char* field :
       {"cwnd", "sent", "received", "lost", "retransmitted", "corrupt", "mtu"}) {
    CHECK(connection.at(field).is_number_integer());
  }
  CHECK(connection.at("node").is_string());
  CHECK(connection.at("rtt_ms") == 1.5);
}

TEST_CASE("words are spelt as in the contract") {
  const auto field = [](const node::Event& event, const char* name) -> std::string {
    return Json::parse(to_json(event, ts)).at(name);
  };
  using namespace node;
  CHECK(field(RoleChanged{Role::alone, {}, {}}, "role") == "alone");
  CHECK(field(PeerLeft{{}, "", LeaveReason::refused}, "reason") == "refused");
  CHECK(field(Migrated{{}, {}, {}, MigrationReason::handover, {}}, "reason") == "handover");
  const NatChanged nat{{stun::NatType::port_restricted, stun::Dependence::endpoint_independent,
                        stun::Dependence::address_and_port_dependent,
                        mrt::Address::v4(192, 0, 2, 1, 5)}};
  CHECK(field(nat, "type") == "port-restricted");
  CHECK(field(nat, "mapping") == "endpoint-independent");
  CHECK(field(nat, "filtering") == "address-and-port-dependent");
  CHECK(field(nat, "mapped") == "192.0.2.1:5");
  CHECK(field(NatChanged{}, "mapped").empty());
  const Report failed = Failed{ErrorCode::not_found, "m", "c"};
  CHECK(Json::parse(to_json(failed, ts)).at("code") == "not-found");
}

TEST_CASE("history is marked and nothing else is") {
  const auto events = all_node_events("anna");
  CHECK_FALSE(Json::parse(to_json(events[4], ts)).contains("history"));
  CHECK(Json::parse(to_json(events[5], ts)).at("history") == true);
}

TEST_CASE("a gap of several senders is from null") {
  const auto events = all_node_events("anna");
  CHECK(Json::parse(to_json(events[6], ts)).at("from") == id_of(2).to_string());
  CHECK(Json::parse(to_json(events[7], ts)).at("from").is_null());
}

TEST_CASE("whatever a peer sends is one line of valid JSON without a raw unsafe character") {
  for (const std::string& text : hostile_texts) {
    for (const std::string& line : all_lines(text)) {
      REQUIRE(line.ends_with('\n'));
      CHECK(Json::accept(line));
      for (std::string_view rest = std::string_view(line).substr(0, line.size() - 1);
           !rest.empty();) {
        CHECK_FALSE(is_unsafe(take_character(rest)));
      }
    }
  }
}

TEST_CASE("text that is well-formed is read from JSON as it was sent") {
  for (const std::string text :
       {"\x1b[2J\n\"\\",
        "\xc2\x9b"
        "31m",
        "exe.\xe2\x80\xaegpj", "\xf3\xa0\x81\x81", "\xe6\x97\xa5 \xf0\x9f\x98\x80"}) {
    const node::Event event = node::TellDelivered{id_of(1), "anna", text};
    CHECK(Json::parse(to_json(event, ts)).at("text") == text);
  }
}

TEST_CASE("numbers of 64 bits are whole") {
  const node::Event event = node::FileOffered{"x", (uint64_t{1} << 60) + 1, {}, {}};
  CHECK(Json::parse(to_json(event, ts)).at("size") == (uint64_t{1} << 60) + 1);
}

}  // namespace client
