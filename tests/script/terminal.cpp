// SPDX-License-Identifier: MIT
#include "script/terminal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>

namespace script {

namespace {

size_t character_size(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

int number_or(std::string_view text, int otherwise) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && value > 0 ? value : otherwise;
}

}  // namespace

Terminal Terminal::after(std::string_view output) {
  Terminal terminal;
  terminal.write(output);
  return terminal;
}

void Terminal::write(std::string_view output) {
  for (size_t i = 0; i < output.size();) {
    if (output[i] == '\x1b' && i + 1 < output.size() && output[i + 1] == '[') {
      size_t end = i + 2;
      while (end < output.size() && (output[end] < 0x40 || output[end] > 0x7e)) ++end;
      if (end < output.size()) sequence(output.substr(i + 2, end - i - 2), output[end]);
      i = end + 1;
    } else if (output[i] == '\x1b') {
      i += 2;
    } else if (static_cast<unsigned char>(output[i]) < 0x20) {
      control(output[i++]);
    } else {
      const size_t size = character_size(output[i]);
      put(std::string(output.substr(i, size)));
      i += size;
    }
  }
}

std::string Terminal::line(int row) const {
  std::string text;
  for (const auto& cell : cells_[static_cast<size_t>(row)]) text += cell;
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

bool Terminal::shows(std::string_view text) const {
  return picture().find(text) != std::string::npos;
}

std::string Terminal::picture() const {
  std::string text;
  for (int row = 0; row < rows; ++row) text += line(row) + "\n";
  return text;
}

void Terminal::put(const std::string& character) {
  if (column_ == columns) {
    column_ = 0;
    down();
  }
  cells_[static_cast<size_t>(row_)][static_cast<size_t>(column_++)] = character;
}

void Terminal::control(char code) {
  switch (code) {
    case '\r':
      column_ = 0;
      break;
    case '\n':
      down();
      break;
    case '\b':
      column_ = std::max(0, std::min(column_, columns - 1) - 1);
      break;
    case '\t':
      column_ = std::min(columns - 1, (column_ / 8 + 1) * 8);
      break;
    default:
      break;
  }
}

void Terminal::sequence(std::string_view parameters, char final) {
  const int count = number_or(parameters, 1);
  const int column = std::min(column_, columns - 1);
  auto& line = cells_[static_cast<size_t>(row_)];
  switch (final) {
    case 'A':
      row_ = std::max(0, row_ - count);
      break;
    case 'B':
      row_ = std::min(rows - 1, row_ + count);
      break;
    case 'C':
      column_ = std::min(columns - 1, column + count);
      break;
    case 'D':
      column_ = std::max(0, column - count);
      break;
    case 'G':
      column_ = std::clamp(count - 1, 0, columns - 1);
      break;
    case 'H': {
      const size_t semicolon = std::min(parameters.find(';'), parameters.size());
      const auto second = parameters.substr(std::min(semicolon + 1, parameters.size()));
      row_ = std::clamp(number_or(parameters.substr(0, semicolon), 1) - 1, 0, rows - 1);
      column_ = std::clamp(number_or(second, 1) - 1, 0, columns - 1);
      break;
    }
    case 'J':
      erase_screen(number_or(parameters, 0));
      break;
    case 'K':
      erase_line(number_or(parameters, 0));
      break;
    case 'P':
      for (int i = 0; i < count; ++i) {
        line.erase(line.begin() + column);
        line.emplace_back(" ");
      }
      break;
    case '@':
      for (int i = 0; i < count; ++i) {
        line.insert(line.begin() + column, " ");
        line.pop_back();
      }
      break;
    default:
      break;  // colours and modes
  }
}

void Terminal::erase_line(int how) {
  auto& line = cells_[static_cast<size_t>(row_)];
  const int column = std::min(column_, columns - 1);
  const auto from = how == 0 ? line.begin() + column : line.begin();
  const auto to = how == 1 ? line.begin() + column + 1 : line.end();
  std::fill(from, to, " ");
}

void Terminal::erase_screen(int how) {
  erase_line(how);
  for (int row = 0; row < rows; ++row) {
    const bool erased = how == 2 || (how == 0 && row > row_) || (how == 1 && row < row_);
    if (erased) cells_[static_cast<size_t>(row)].assign(columns, " ");
  }
}

void Terminal::down() {
  if (row_ + 1 < rows) {
    ++row_;
    return;
  }
  cells_.erase(cells_.begin());
  cells_.emplace_back(static_cast<size_t>(columns), " ");
}

Launch on_terminal(Star& star, std::vector<std::string> arguments) {
  for (const char* more : {"--bind", "127.0.0.1:0", "--nat", "none", "--ephemeral"}) {
    arguments.emplace_back(more);
  }
  Launch launch = star.launch(arguments);
  launch.terminal = true;
  return launch;
}

Terminal screen(const Program& program) { return Terminal::after(program.output()); }

void await_screen(const Program& program, const std::string& what,
                  const std::function<bool(const Terminal&)>& match) {
  const bool shown = Program::run_until([&] { return match(screen(program)); });
  INFO(screen(program).picture());
  REQUIRE_MESSAGE(shown, what);
}

void await_shown(const Program& program, const std::string& text) {
  await_screen(program, "shows: " + text, [&](const Terminal& t) { return t.shows(text); });
}

}  // namespace script
