// SPDX-License-Identifier: MIT
#include "client/prompt.h"

#include <histedit.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <deque>

#include "client/deadline.h"
#include "client/fd_watch.h"
#include "client/keys.h"
#include "client/line_reader.h"
#include "client/secret_line.h"
#include "client/text.h"
#include "mrt/base/check.h"

namespace client {

namespace {

// How long the rest of an escape sequence may take: longer than a slow link splits it,
// shorter than somebody who pressed Esc waits.
constexpr std::chrono::milliseconds sequence_time{100};
constexpr int history_lines = 500;
constexpr std::wstring_view prompt_text = L"> ";

constexpr std::string_view control_c = "\x03";
constexpr std::string_view control_d = "\x04";
constexpr std::string_view control_l = "\x0c";

// A signal handler has no other way to it: an abort must not leave the terminal raw.
termios terminal_before;

void restore_and_abort(int) {
  tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

std::wstring to_wide(std::string_view text) {
  std::wstring out;
  while (!text.empty()) out.push_back(static_cast<wchar_t>(take_character(text)));
  return out;
}

std::string to_utf8(std::wstring_view text) {
  std::string out;
  for (const wchar_t c : text) append_utf8(out, static_cast<char32_t>(c));
  return out;
}

std::wstring_view whole(const LineInfoW& line) {
  return {line.buffer, static_cast<size_t>(line.lastchar - line.buffer)};
}

std::wstring_view before_cursor(const LineInfoW& line) {
  return {line.buffer, static_cast<size_t>(line.cursor - line.buffer)};
}

}  // namespace

/// A password that is asked for.
struct Question {
  std::string text;
  std::function<void(mrt::Bytes)> on_answer;
  SecretLine typed{};
};

struct Prompt::Editor {
  Editor(uv_loop_t* loop, Console& the_console, Actions the_actions)
      : console(the_console), actions(std::move(the_actions)), watch(loop), rest_of_key(loop) {}

  Console& console;
  Actions actions;
  FdWatch watch;
  Deadline rest_of_key;
  std::string keys;           // read from the terminal, not yet whole
  std::deque<wchar_t> ahead;  // the key that libedit is being given
  FILE* out = nullptr;
  EditLine* line = nullptr;
  HistoryW* history = nullptr;
  bool muted = false;                  // while libedit draws what nobody is to see
  std::unique_ptr<Question> question;  // keys are for it, not for libedit
};

static Prompt::Actions checked(Prompt::Actions actions) {
  CHECK(actions.on_line && actions.on_end && actions.complete);
  return actions;
}

Prompt::Prompt(uv_loop_t* loop, Console& console, Actions actions)
    : editor_(std::make_unique<Editor>(loop, console, checked(std::move(actions)))) {
  tcgetattr(STDIN_FILENO, &terminal_before);
  std::signal(SIGABRT, restore_and_abort);

  Editor& editor = *editor_;
  const cookie_io_functions_t to_console = {nullptr,
                                            [](void* cookie, const char* bytes, size_t size) {
                                              auto& self = *static_cast<Editor*>(cookie);
                                              if (!self.muted)
                                                self.console.write_typed({bytes, size});
                                              return static_cast<ssize_t>(size);
                                            },
                                            nullptr, nullptr};
  editor.out = fopencookie(&editor, "w", to_console);
  CHECK(editor.out != nullptr);
  editor.line = el_init_fd("thuban", stdin, editor.out, editor.out, STDIN_FILENO, STDERR_FILENO,
                           STDERR_FILENO);
  CHECK(editor.line != nullptr);
  el_wset(editor.line, EL_CLIENTDATA, &editor);
  el_wset(
      editor.line, EL_PROMPT, +[](EditLine*) {
        static std::wstring text(prompt_text);
        return text.data();
      });
  el_wset(editor.line, EL_EDITOR, L"emacs");
  el_wset(
      editor.line, EL_GETCFN, +[](EditLine* line, wchar_t* out) {
        Editor* self = nullptr;
        el_wget(line, EL_CLIENTDATA, &self);
        if (self->ahead.empty()) return 0;
        *out = self->ahead.front();
        self->ahead.pop_front();
        return 1;
      });
  // These wait for further keys inside libedit; history is searched by what was typed so far.
  el_wset(editor.line, EL_BIND, L"^R", L"ed-search-prev-history", nullptr);
  el_wset(editor.line, EL_BIND, L"^S", L"ed-search-next-history", nullptr);
  el_wset(editor.line, EL_BIND, L"\\ex", L"ed-unassigned", nullptr);
  el_wset(editor.line, EL_BIND, L"\\eX", L"ed-unassigned", nullptr);
  // Ctrl-S is a key here, not a way to stop the terminal.
  el_wset(editor.line, EL_SETTY, L"-d", L"-ixon", nullptr);

  editor.history = history_winit();
  CHECK(editor.history != nullptr);
  HistEventW event;
  history_w(editor.history, &event, H_SETSIZE, history_lines);
  history_w(editor.history, &event, H_SETUNIQUE, 1);
  el_wset(editor.line, EL_HIST, history_w, editor.history);

  editor.muted = true;
  el_wset(editor.line, EL_UNBUFFERED, 1);
  fflush(editor.out);
  editor.muted = false;
  editor.console.show_typed_line(this);
  editor.watch.start(STDIN_FILENO, FdWatch::For::reading, [this] { on_input(); });
}

Prompt::~Prompt() {
  Editor& editor = *editor_;
  editor.console.show_typed_line(nullptr);
  editor.muted = true;
  el_end(editor.line);
  history_wend(editor.history);
  fclose(editor.out);
  std::signal(SIGABRT, SIG_DFL);
}

void Prompt::draw() {
  if (editor_->question) return editor_->console.write_typed(editor_->question->text);
  el_wset(editor_->line, EL_REFRESH);
  fflush(editor_->out);
}

size_t Prompt::cursor_row() const {
  // As libedit lays it out: a wide character that does not fit begins the next row.
  const size_t width = editor_->console.columns();
  size_t row = 0, column = 0;
  const std::wstring text =
      editor_->question ? to_wide(editor_->question->text)
                        : std::wstring(prompt_text).append(before_cursor(*el_wline(editor_->line)));
  for (const wchar_t c : text) {
    const size_t cells = columns(static_cast<char32_t>(c));
    if (column + cells > width) {
      ++row;
      column = 0;
    }
    column += cells;
  }
  return column >= width ? row + 1 : row;
}

void Prompt::on_resize() {
  el_resize(editor_->line);
  editor_->console.show_typed_line(this);
}

void Prompt::suspend() {
  editor_->console.show_typed_line(nullptr);
  el_wset(editor_->line, EL_PREP_TERM, 0);
}

void Prompt::resume() {
  el_wset(editor_->line, EL_PREP_TERM, 1);
  editor_->console.forget_bottom();
  editor_->console.show_typed_line(this);
}

void Prompt::on_input() {
  std::array<char, 4096> bytes;
  const ssize_t size = read(STDIN_FILENO, bytes.data(), bytes.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) {
    editor_->watch.stop();
    editor_->actions.on_end();
    return;
  }
  editor_->keys.append(bytes.data(), static_cast<size_t>(size));
  on_keys();
}

void Prompt::on_keys() {
  Editor& editor = *editor_;
  editor.rest_of_key.disarm();
  while (!editor.keys.empty()) {
    const size_t size = key_size(editor.keys);
    if (size == 0) {
      // A lone Esc means nothing here.
      editor.rest_of_key.arm(sequence_time, [this] {
        editor_->keys.erase(0, 1);
        on_keys();
      });
      return;
    }
    const std::string key = editor.keys.substr(0, size);
    editor.keys.erase(0, size);
    on_key(key);
  }
}

void Prompt::on_key(std::string_view key) {
  Editor& editor = *editor_;
  if (editor.question && key != control_c) return on_secret_key(key);
  const LineInfoW& line = *el_wline(editor.line);
  if (key == "\r" || key == "\n") {
    finish_line();
  } else if (key == "\t") {
    complete();
  } else if (key == control_c) {
    std::raise(SIGINT);
  } else if (key == control_d && whole(line).empty()) {
    editor.actions.on_end();
  } else if (key == control_l) {
    editor.console.forget_bottom();
    editor.console.write_typed("\033[H\033[2J");
    editor.console.show_typed_line(this);
  } else if (whole(line).size() < line_bytes_max || static_cast<uint8_t>(key[0]) < 0x20) {
    edit(key);
  }
}

void Prompt::ask_password(std::string question, std::function<void(mrt::Bytes)> on_answer) {
  Editor& editor = *editor_;
  CHECK(!editor.question);
  editor.console.show_typed_line(nullptr);
  editor.question.reset(new Question{std::move(question), std::move(on_answer)});
  editor.console.show_typed_line(this);
}

void Prompt::on_secret_key(std::string_view key) {
  Editor& editor = *editor_;
  const SecretLine::State state = editor.question->typed.on_key(key);
  if (state == SecretLine::State::typing) return;
  editor.console.show_typed_line(nullptr);
  const auto question = std::exchange(editor.question, nullptr);
  editor.console.print_note(question->text);
  editor.console.show_typed_line(this);
  question->on_answer(state == SecretLine::State::done ? question->typed.take() : mrt::Bytes{});
}

void Prompt::edit(std::string_view key) {
  const std::wstring wide = to_wide(key);
  editor_->ahead.assign(wide.begin(), wide.end());
  while (!editor_->ahead.empty()) {
    int count = 0;
    const size_t before = editor_->ahead.size();
    el_wgets(editor_->line, &count);
    if (editor_->ahead.size() == before) editor_->ahead.clear();
  }
  fflush(editor_->out);
}

void Prompt::finish_line() {
  Editor& editor = *editor_;
  const std::wstring wide(whole(*el_wline(editor.line)));
  editor.console.show_typed_line(nullptr);
  // Off and on again: this is how libedit is told to begin a new line.
  editor.muted = true;
  el_wset(editor.line, EL_UNBUFFERED, 0);
  el_wset(editor.line, EL_UNBUFFERED, 1);
  fflush(editor.out);
  editor.muted = false;
  const std::string text = to_utf8(wide);
  editor.console.print_note(to_utf8(prompt_text) + clean(text));
  if (!trim(text).empty()) {
    HistEventW event;
    history_w(editor.history, &event, H_ENTER, wide.c_str());
  }
  editor.console.show_typed_line(this);
  editor.actions.on_line(text);
}

std::string Prompt::text_before_cursor() const {
  return to_utf8(before_cursor(*el_wline(editor_->line)));
}

std::string common_start(const std::vector<std::string>& candidates) {
  if (candidates.empty()) return {};
  std::string start = candidates.front();
  for (const std::string& candidate : candidates) {
    size_t same = 0;
    while (same < start.size() && same < candidate.size() && start[same] == candidate[same]) ++same;
    start.resize(same);
  }
  // Not within a character: its continuation bytes are 10xxxxxx.
  const std::string& first = candidates.front();
  while (!start.empty() && start.size() < first.size() &&
         (static_cast<uint8_t>(first[start.size()]) & 0xc0) == 0x80) {
    start.pop_back();
  }
  return start;
}

void Prompt::complete() {
  Editor& editor = *editor_;
  const std::string typed = text_before_cursor();
  const std::vector<std::string> candidates = editor.actions.complete(typed);
  const std::string start = common_start(candidates);
  if (start.size() > typed.size() && start.starts_with(typed)) {
    editor.console.show_typed_line(nullptr);
    el_winsertstr(editor.line, to_wide(start.substr(typed.size())).c_str());
    editor.console.show_typed_line(this);
  } else if (candidates.size() > 1) {
    std::string list;
    for (const std::string& candidate : candidates) list += clean(candidate) + "  ";
    editor.console.print_note(list);
  }
}

}  // namespace client
