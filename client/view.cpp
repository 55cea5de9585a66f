// SPDX-License-Identifier: MIT
#include "client/view.h"

#include <fmt/format.h>

#include "client/json.h"
#include "client/qr.h"
#include "mrt/uv/clock.h"

namespace client {

static bool uses_colour(const Options& options, const Console& console) {
  if (options.colour != When::automatic) return options.colour == When::always;
  return console.results_are_terminal() && console.notes_are_terminal();
}

static std::string how_to_join(const Invited& invited) {
  const std::string command = fmt::format("`thuban join {}`", invited.address.to_string());
  switch (invited.access) {
    case mrt::Access::secret:
      return fmt::format(
          "others on this host join with {}, others elsewhere with this invite\n"
          "(it lets in whoever has it):",
          command);
    case mrt::Access::password:
      return fmt::format("others join with {} or this invite, and the password:", command);
    case mrt::Access::open:
      break;
  }
  return fmt::format("others join with {} or this invite:", command);
}

View::View(Console& console, Log& log, const Options& options, bool talkative)
    : console_(console),
      log_(log),
      colour_(uses_colour(options, console)),
      screen_(colour_),
      json_(options.json),
      quiet_(options.quiet),
      qr_(options.qr),
      talkative_(talkative),
      bars_(options.progress && !options.json && console.notes_are_terminal()) {}

void View::show(const Report& report) {
  const int64_t now = mrt::uv::wall_clock_ms();
  log_.write(now, log_entry(report));
  const auto line = screen_.show(report);
  if (json_) return write_json(to_json(report, now));
  if (const auto* invited = std::get_if<Invited>(&report); invited && !quiet_) {
    note(how_to_join(*invited));
  }
  const bool wanted = talkative_ || (line && line->kind != Line::Kind::note);
  if (line && wanted) write_line(*line);
  if (const auto* invited = std::get_if<Invited>(&report); invited && qr_) {
    show_qr(invited->invite);
  }
}

void View::show(const node::Event& event) {
  const int64_t now = mrt::uv::wall_clock_ms();
  log_.write(now, log_entry(event));
  const auto line = screen_.show(event);
  if (json_) return write_json(to_json(event, now));
  if (line && talkative_) write_line(*line);
  if (bars_) show_progress(event);
}

void View::show_qr(std::string_view text) {
  const QrCode code = qr_code(text, colour_);
  if (console_.notes_are_terminal() && code.columns > console_.columns()) {
    return note(fmt::format("the QR code needs a window of {} columns", code.columns));
  }
  if (code.columns > 0) note(code.lines);
}

void View::note(std::string_view text) { console_.print_note(text); }

void View::print(std::string_view text) {
  if (!json_) console_.print_result(text);
}

void View::write_json(const std::string& line) {
  if (line.empty() || !console_.print_raw(line)) return;
  // The reader is back: it is told what it missed.
  if (const uint64_t dropped = console_.take_dropped()) {
    show(Failed{node::ErrorCode::limit,
                fmt::format("{} events were dropped: standard output was not read", dropped), ""});
  }
}

void View::write_line(const Line& line) {
  if (line.kind == Line::Kind::result) {
    console_.print_result(line.text);
  } else if (line.kind == Line::Kind::error || !quiet_) {
    console_.print_note(line.text);
  }
}

void View::show_progress(const node::Event& event) {
  if (const auto* progress = std::get_if<node::DownloadProgress>(&event)) {
    progress_.on_progress(*progress);
  } else if (const auto* received = std::get_if<node::FileReceived>(&event)) {
    progress_.on_end(received->hash);
  } else {
    return;
  }
  draw_progress();
}

void View::end_progress() {
  if (progress_.empty()) return;
  progress_.clear();
  draw_progress();
}

void View::draw_progress() {
  // One column is left free: a full row would wrap on some terminals.
  if (bars_) console_.show_bars(progress_.lines(console_.columns() - 1));
}

}  // namespace client
