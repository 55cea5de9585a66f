// SPDX-License-Identifier: MIT
#include "client/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "client/text.h"

namespace client {

Console::Console(uv_loop_t* loop, std::function<void(int)> on_broken)
    : out_(loop, STDOUT_FILENO, std::move(on_broken)),
      err_(loop, STDERR_FILENO, {}),
      one_terminal_(out_.is_terminal() && err_.is_terminal()) {}

void Console::print_result(std::string_view lines) { print(out_, lines); }

void Console::print_note(std::string_view lines) { print(err_, lines); }

bool Console::print_raw(std::string_view line) { return out_.write(line); }

void Console::print(Output& to, std::string_view lines) {
  const bool above_bottom = to.is_terminal() && err_.is_terminal();
  if (above_bottom) erase_bottom();
  (one_terminal_ ? err_ : to).write(std::string(lines) + '\n');
  if (above_bottom) draw_bottom();
}

void Console::show_bars(std::vector<std::string> bars) {
  if (!err_.is_terminal() || bars == bars_) return;
  erase_bottom();
  bars_ = std::move(bars);
  draw_bottom();
}

void Console::show_typed_line(TypedLine* line) {
  erase_bottom();
  typed_ = line;
  draw_bottom();
}

void Console::write_typed(std::string_view bytes) { err_.write(bytes); }

void Console::forget_bottom() { bars_drawn_ = false; }

void Console::erase_bottom() {
  if (!err_.is_terminal() || (!typed_ && !bars_drawn_)) return;
  size_t rows = typed_ ? typed_->cursor_row() : 0;
  // A terminal that was made narrower has wrapped them.
  const size_t width = columns();
  for (const std::string& bar : bars_) {
    if (bars_drawn_) rows += std::max<size_t>(1, (client::columns(bar) + width - 1) / width);
  }
  // Without a typed line the cursor stands below the last bar.
  err_.write(rows > 0 ? fmt::format("\r\033[{}A\033[J", rows) : "\r\033[J");
  bars_drawn_ = false;
}

void Console::draw_bottom() {
  if (!err_.is_terminal()) return;
  for (const std::string& bar : bars_) err_.write(bar + '\n');
  bars_drawn_ = !bars_.empty();
  if (typed_) typed_->draw();
}

void Console::flush(int milliseconds_max) {
  out_.flush(milliseconds_max);
  err_.flush(milliseconds_max);
}

}  // namespace client
