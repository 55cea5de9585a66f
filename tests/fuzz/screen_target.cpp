// SPDX-License-Identifier: MIT
//
// Every event with a peer's text in every place that a peer can fill: the line of JSON says what
// was sent, and neither it nor the line on the screen does anything to a terminal.
#include "client/screen.h"

#include <nlohmann/json.hpp>

#include "client/json.h"
#include "client/text.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"
#include "unit/client/events_for_tests.h"

namespace fuzz {

static bool is_harmless(std::string_view text) {
  if (!node::is_utf8(text)) return false;
  while (!text.empty()) {
    if (client::is_unsafe(client::take_character(text))) return false;
  }
  return true;
}

/// What a reader of the line gets for this field is what was sent, if that was text at all.
static void check_field(const nlohmann::json& object, const char* field, const std::string& sent) {
  const auto found = object.find(field);
  if (found == object.end() || !node::is_utf8(sent)) return;
  CHECK(found->get<std::string>() == sent);
}

static void check_json(const std::string& line, const std::string& sent) {
  if (line.empty()) return;
  CHECK(line.back() == '\n' && is_harmless(std::string_view(line).substr(0, line.size() - 1)));
  const auto object = nlohmann::json::parse(line);
  CHECK(object.is_object() && object.contains("event") && object.contains("ts"));
  for (const char* field : {"nick", "text", "name", "message"}) check_field(object, field, sent);
}

/// Tables have lines; everything else is one.
static void check_line(const std::optional<client::Line>& line, bool table) {
  if (!line) return;
  for (std::string_view rest = line->text; !rest.empty();) {
    const size_t end = std::min(table ? rest.find('\n') : rest.npos, rest.size());
    CHECK(is_harmless(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void screen(mrt::ByteView input) {
  client::use_utf8_locale();
  const std::string sent(mrt::as_text(input));
  client::Screen screen(false);
  for (const client::Report& report : client::all_reports(sent)) {
    check_json(client::to_json(report, 1), sent);
    const bool table = std::holds_alternative<client::PeersAsked>(report) ||
                       std::holds_alternative<client::FilesAsked>(report) ||
                       std::holds_alternative<client::StatsAsked>(report);
    check_line(screen.show(report), table);
  }
  for (const node::Event& event : client::all_node_events(sent)) {
    check_json(client::to_json(event, 1), sent);
    check_line(screen.show(event), false);
  }
}

}  // namespace fuzz
