// SPDX-License-Identifier: MIT
#include "client/line_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace client {

// One read of a pipe: as much as Linux's pipes hold.
static constexpr size_t read_bytes = 64 * 1024;

void LineSplitter::push(std::string_view bytes, const OnLine& on_line) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > line_bytes_max) {
      too_long_ = true;
      line_.clear();
    }
    if (!too_long_) line_.append(part);
    if (end == std::string_view::npos) return;
    finish_line(on_line);
    bytes.remove_prefix(end + 1);
  }
}

void LineSplitter::finish(const OnLine& on_line) {
  if (too_long_ || !line_.empty()) finish_line(on_line);
}

void LineSplitter::finish_line(const OnLine& on_line) {
  const std::string line = std::exchange(line_, {});
  if (std::exchange(too_long_, false)) {
    on_line(std::nullopt);
  } else {
    on_line(line);
  }
}

/// A read of a regular file, which is always "ready" and may still take its time.
struct LineReader::FileRead {
  LineReader* reader;  // null: nobody waits for it any more
  uv_fs_t request{};
  std::array<char, read_bytes> bytes;
};

LineReader::LineReader(uv_loop_t* loop, int fd, LineSplitter::OnLine on_line,
                       std::function<void()> on_end)
    : loop_(loop), watch_(loop), fd_(fd), on_line_(std::move(on_line)), on_end_(std::move(on_end)) {
  resume();
}

LineReader::~LineReader() {
  if (file_read_) file_read_->reader = nullptr;
}

void LineReader::pause() {
  reading_ = false;
  watch_.stop();
}

void LineReader::resume() {
  if (reading_ || ended_) return;
  reading_ = true;
  if (!watch_.start(fd_, FdWatch::For::reading, [this] { on_ready(); })) read_file();
}

void LineReader::on_ready() {
  std::array<char, read_bytes> bytes;
  const ssize_t size = read(fd_, bytes.data(), bytes.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) return on_end();
  on_bytes({bytes.data(), static_cast<size_t>(size)});
}

void LineReader::read_file() {
  if (file_read_) return;
  file_read_ = new FileRead{this, {}, {}};
  file_read_->request.data = file_read_;
  const uv_buf_t buffer = uv_buf_init(file_read_->bytes.data(), read_bytes);
  uv_fs_read(loop_, &file_read_->request, fd_, &buffer, 1, -1, [](uv_fs_t* request) {
    auto* const read = static_cast<FileRead*>(request->data);
    const ssize_t size = request->result;
    uv_fs_req_cleanup(request);
    const std::unique_ptr<FileRead> owner(read);
    LineReader* const reader = read->reader;
    if (!reader) return;
    reader->file_read_ = nullptr;
    if (size <= 0) return reader->on_end();
    reader->on_bytes({read->bytes.data(), static_cast<size_t>(size)});
    if (reader->reading_) reader->read_file();
  });
}

void LineReader::on_bytes(std::string_view bytes) { splitter_.push(bytes, on_line_); }

void LineReader::on_end() {
  pause();
  ended_ = true;
  splitter_.finish(on_line_);
  on_end_();
}

}  // namespace client
