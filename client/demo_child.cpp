// SPDX-License-Identifier: MIT
#include "client/demo_child.h"

#include <memory>

#include "client/demo_loop.h"

namespace client {

namespace {

// An event of the contract is at most a chat text of 64 KiB, escaped sixfold, and a little.
constexpr size_t line_bytes_max = 512 * 1024;
// Enough for the few lines that say why a node ended.
constexpr size_t complaint_bytes_max = 2'000;

struct Line {
  uv_write_t request{};
  std::string text;
};

std::string program_path() {
  std::string path(4'096, '\0');
  size_t size = path.size();
  if (uv_exepath(path.data(), &size) != 0) throw DemoStopped{1, "finding this program's path"};
  path.resize(size);
  return path;
}

}  // namespace

void DemoChild::start(uv_loop_t* loop, const std::vector<std::string>& arguments, int keep_fd) {
  const std::string program = program_path();
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  for (uv_pipe_t* pipe : {&input_, &output_, &error_}) {
    uv_pipe_init(loop, pipe, 0);
    pipe->data = this;
    ++open_handles_;
  }
  const auto piped = [](uv_pipe_t& pipe, int flag) {
    uv_stdio_container_t stream{};
    stream.flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | flag);
    stream.data.stream = reinterpret_cast<uv_stream_t*>(&pipe);
    return stream;
  };
  uv_stdio_container_t streams[4] = {piped(input_, UV_READABLE_PIPE),
                                     piped(output_, UV_WRITABLE_PIPE),
                                     piped(error_, UV_WRITABLE_PIPE),
                                     {}};
  streams[3].flags = UV_INHERIT_FD;
  streams[3].data.fd = keep_fd;

  uv_process_options_t options{};
  options.file = program.c_str();
  options.args = argv.data();
  options.stdio = streams;
  options.stdio_count = 4;
  // Its own group: Ctrl-C at the terminal is for the demo, which then ends its nodes in order.
  options.flags = UV_PROCESS_DETACHED;
  options.exit_cb = [](uv_process_t* process, int64_t status, int signal_number) {
    auto* child = static_cast<DemoChild*>(process->data);
    child->exit_code_ = signal_number != 0 ? 128 + signal_number : static_cast<int>(status);
  };
  process_.data = this;
  started_at_ = DemoLoop::now();
  ++open_handles_;
  const int result = uv_spawn(loop, &process_, &options);
  if (result != 0) {
    exit_code_ = 1;
    throw DemoStopped{1, "starting " + nick_ + ": " + uv_strerror(result)};
  }
  watch(output_, [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    if (size > 0) {
      static_cast<DemoChild*>(stream->data)->on_output({buffer->base, static_cast<size_t>(size)});
    } else if (size < 0) {
      uv_read_stop(stream);
    }
  });
  watch(error_, [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    if (size > 0) {
      static_cast<DemoChild*>(stream->data)
          ->on_complaint({buffer->base, static_cast<size_t>(size)});
    } else if (size < 0) {
      uv_read_stop(stream);
    }
  });
}

void DemoChild::watch(uv_pipe_t& pipe, uv_read_cb on_read) {
  uv_read_start(reinterpret_cast<uv_stream_t*>(&pipe), on_room, on_read);
}

// One buffer for all: each read is used up before the next begins.
void DemoChild::on_room(uv_handle_t*, size_t, uv_buf_t* buffer) {
  static char room[64 * 1024];
  *buffer = uv_buf_init(room, sizeof room);
}

void DemoChild::say(const std::string& line) {
  auto owned = std::make_unique<Line>();
  owned->text = line + "\n";
  owned->request.data = owned.get();
  uv_buf_t buffer = uv_buf_init(owned->text.data(), static_cast<unsigned>(owned->text.size()));
  const auto on_written = [](uv_write_t* request, int) {
    delete static_cast<Line*>(request->data);
  };
  const int result =
      uv_write(&owned->request, reinterpret_cast<uv_stream_t*>(&input_), &buffer, 1, on_written);
  if (result == 0) owned.release();  // on_written has it now
}

void DemoChild::kill(int signal_number) {
  if (running()) uv_process_kill(&process_, signal_number);
}

void DemoChild::close() {
  if (!started()) return;
  const auto on_closed = [](uv_handle_t* handle) {
    --static_cast<DemoChild*>(handle->data)->open_handles_;
  };
  for (auto* handle :
       {reinterpret_cast<uv_handle_t*>(&input_), reinterpret_cast<uv_handle_t*>(&output_),
        reinterpret_cast<uv_handle_t*>(&error_), reinterpret_cast<uv_handle_t*>(&process_)}) {
    if (!uv_is_closing(handle)) uv_close(handle, on_closed);
  }
}

const DemoEvent* DemoChild::last(std::string_view name, size_t from) const {
  for (size_t i = events_.size(); i > from; --i) {
    if (events_[i - 1].is(name)) return &events_[i - 1];
  }
  return nullptr;
}

std::string DemoChild::node() const {
  return events_.empty() ? "" : events_.front().body.value("node", "");
}

void DemoChild::on_output(std::string_view bytes) {
  const uint64_t at = DemoLoop::now();
  line_.append(bytes);
  size_t begin = 0;
  for (size_t end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', begin)) {
    auto body = nlohmann::json::parse(line_.begin() + static_cast<ptrdiff_t>(begin),
                                      line_.begin() + static_cast<ptrdiff_t>(end), nullptr, false);
    if (body.is_object()) events_.push_back({at, std::move(body)});
    begin = end + 1;
  }
  line_.erase(0, begin);
  if (line_.size() > line_bytes_max) line_.clear();
}

void DemoChild::on_complaint(std::string_view bytes) {
  complaints_.append(bytes);
  if (complaints_.size() > complaint_bytes_max) {
    complaints_.erase(0, complaints_.size() - complaint_bytes_max);
  }
}

}  // namespace client
